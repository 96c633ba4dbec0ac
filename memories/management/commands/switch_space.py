"""`manage.py switch_space 2`: search with another space's vectors; without a number, list the spaces."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from memories import reembedding
from memories.models import EmbeddingSpace


class Command(BaseCommand):
    help = "Let searches read another embedding space; refused while it is not complete. Switching back works alike."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("space", type=int, nargs="?", help="The number; left out: list the spaces.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["space"] is None:
            self.stdout.write("\n".join(_line(space) for space in EmbeddingSpace.objects.order_by("id")))
            return
        space = EmbeddingSpace.objects.filter(id=options["space"]).first()
        if space is None:
            raise CommandError(f"There is no space {options['space']}.")
        try:
            reembedding.switch(space)
        except reembedding.CannotSwitch as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Searches read {space}. The others are kept up until drop_space.")


def _line(space: EmbeddingSpace) -> str:
    state = reembedding.progress(space)
    mark = "*" if space.active else " "
    return (
        f"{mark} {space.id}: {space}, {state.embedded} of {state.messages} messages, {state.missing} missing"
    )
