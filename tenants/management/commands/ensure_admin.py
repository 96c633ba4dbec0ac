"""`manage.py ensure_admin --password-file PATH`: the first superuser of a fresh installation."""

import os
import secrets
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction


class Command(BaseCommand):
    help = "Create the superuser `admin` with a random password, unless a superuser exists."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--password-file", type=Path, required=True, help="Written with mode 0600.")

    def handle(self, *args: Any, **options: Any) -> None:
        users = get_user_model().objects
        if users.filter(is_superuser=True).exists():
            return
        password = secrets.token_urlsafe(12)
        # One transaction: an account whose password could not be written down would lock everybody out.
        with transaction.atomic():
            users.create_superuser("admin", "admin@localhost", password)
            _write_private(options["password_file"], password + "\n")
        self.stdout.write(f"Created superuser admin; its password is in {options['password_file']}.")


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.fchmod(descriptor, 0o600)  # one that was there keeps its mode otherwise
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
