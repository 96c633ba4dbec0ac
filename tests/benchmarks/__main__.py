"""`make bench`: figures and ratios, side by side in one run. `python -m tests.benchmarks [DATASET]`."""

import sys
from pathlib import Path

import django
from django.core.management import call_command

from tests.stack import running_stack


def main(dataset: str | None) -> None:
    with running_stack(MEMORY_EMBEDDING_LEASE_SECONDS="15") as stack:
        stack.enter_environment()
        django.setup()
        from tests.benchmarks import main_job  # needs Django, which needs the stack's addresses

        main_job.run(stack)
        if dataset:
            call_command("evaluate", Path(dataset))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
