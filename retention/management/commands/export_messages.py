"""`manage.py export_messages --tenant acme [--user USER] [--output FILE]`"""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from memories.management.tenants import named_tenant
from retention import export


class Command(BaseCommand):
    help = (
        "Write all messages of a tenant, or of one user, as JSON lines: those in the memory, in the archive, and those "
        "marked as deleted. The last line says how many; without it the export was cut off."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True)
        parser.add_argument("--user", help="The user_id. Left out: everybody.")
        parser.add_argument("--output", type=Path, help="A new file. Left out: standard output.")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant, path = named_tenant(options["tenant"]), options["output"]
        if tenant is None or options["user"] == "":
            raise CommandError("Name the tenant, and a user that is not empty.")
        lines = export.lines(tenant=tenant, user_id=options["user"])
        if path is None:
            self.stdout.writelines(lines)
            return
        try:
            path.touch(mode=0o600, exist_ok=False)  # never over another file, and for nobody else's eyes
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}") from error
        with path.open("w", encoding="utf-8") as file:
            file.writelines(tqdm(lines, unit="line", disable=None, file=sys.stderr))
        self.stdout.write(f"Written to {path}.")
