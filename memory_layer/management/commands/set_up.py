"""`manage.py set_up --password-file PATH`: what an installation needs before it serves, in one process."""

from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    help = "Migrate the database, and create the first superuser: migrate and ensure_admin."
    requires_system_checks: list[str] = []  # migrate runs them, those of the database too

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--password-file", type=Path, required=True, help="Written with mode 0600.")

    def handle(self, *args: Any, **options: Any) -> None:
        own = {"stdout": self.stdout, "stderr": self.stderr}
        call_command("migrate", interactive=False, skip_checks=False, **own)
        call_command("ensure_admin", password_file=options["password_file"], **own)
