"""`manage.py reindex [--tenant NAME] [--dry-run]`: index anew the messages whose tenant has changed its language."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from memories import lexicon, reindexing
from memories.management.tenants import named_tenant


class Command(BaseCommand):
    help = (
        "Index anew all messages that are in another language than their tenant's setting. The workers do the same in "
        "the background; this does it now. Broken off, run it again: what is done stays done."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", help="Only messages of this tenant. Default: all tenants.")
        parser.add_argument("--dry-run", action="store_true", help="Only say how many, by tenant.")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = named_tenant(options["tenant"])
        lexicon.fold_all()
        if not options["dry_run"]:
            total = 0
            while done := reindexing.reindex(tenant=tenant):
                total += done
                lexicon.fold_all()
            self.stdout.write(f"{total} messages were indexed anew.")
        for each in reindexing.due(tenant):
            self.stdout.write(f"{each.tenant}: {each.messages} messages are in another language.")
