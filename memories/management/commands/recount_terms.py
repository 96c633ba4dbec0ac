"""`manage.py recount_terms [--tenant NAME] [--check]`: the term statistics, compared with the messages."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from memories import recount
from memories.management.tenants import named_tenant
from tenants.models import Tenant


class Command(BaseCommand):
    help = (
        "Compare the term statistics of full text with a count from the messages, and put right what is wrong. Exact "
        "beside any writing. While a tenant is put right, new messages of all tenants wait to be counted."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", help="Only this tenant. Default: all tenants.")
        parser.add_argument("--check", action="store_true", help="Change nothing; fail if anything is wrong.")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = named_tenant(options["tenant"])
        tenants = [tenant] if tenant is not None else list(Tenant.objects.all())
        count = recount.check if options["check"] else recount.repair
        wrong = 0
        for each in tenants:
            found = count(each)
            wrong += found.wrong
            if found.wrong:
                self.stdout.write(
                    f"{each.name}: the counts of {found.terms} terms and {found.corpora} languages were wrong."
                )
        said = f"{wrong} of {len(tenants)} tenants had wrong counts"
        if wrong and options["check"]:
            raise CommandError(f"{said}. Without --check they are put right.")
        self.stdout.write(f"{said}.")
