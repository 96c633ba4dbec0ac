"""What the commands that erase have in common: say what will go, ask, erase, say what went."""

import getpass
from collections.abc import Callable

from django.core.management.base import BaseCommand, CommandError

from memories.legal_holds import Held
from retention import erasure
from retention.models import ErasureReceipt
from retention.scope import Scope


def erase(
    command: BaseCommand, scope: Scope, act: Callable[[str], ErasureReceipt], *, what: str, sure: bool
) -> None:
    """`act` erases, in the name of whom it is given. CommandError if it is refused, or not sure to be complete."""
    try:
        rows = erasure.outlook(scope)
        counted = ", ".join(f"{count} in {table}" for table, count in rows.items())
        command.stdout.write(f"This erases {what} for good, messages with all that hangs on them: {counted}.")
        if not (sure or input("Go on? [y/N] ").strip().lower() in ("y", "yes")):
            return
        receipt = act(getpass.getuser())
    except Held as error:
        raise CommandError(str(error)) from error
    for table, count in receipt.counts.items():
        command.stdout.write(f"{table}: {count}")
    if not receipt.verified:
        raise CommandError(
            f"Something may be left: Redis did not answer, or somebody else was writing for too long. Run it again. "
            f"(Receipt {receipt.id})"
        )
    command.stdout.write(f"Erased, and nothing was found any more. Receipt {receipt.id}.")
