"""`manage.py drop_space 1`: remove a space that is no longer wanted, with its vectors."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from memories import reembedding
from memories.models import EmbeddingSpace


class Command(BaseCommand):
    help = "Remove an embedding space with its vectors. New messages are then embedded once less."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("space", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        space = EmbeddingSpace.objects.filter(id=options["space"]).first()
        if space is None:
            raise CommandError(f"There is no space {options['space']}.")
        try:
            dropped = reembedding.drop(space)
        except ValueError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Dropped {space} with {dropped} vectors.")
