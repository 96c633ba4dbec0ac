"""`manage.py reembed`: fill a space with the vectors of another model, beside the active one."""

import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from memories import costs, reembedding
from memories.embeddings import PROVIDERS, Identity, configured
from memories.models import EmbeddingJob, EmbeddingSpace

POLL_SECONDS = 0.5
IDLE_SECONDS = 60.0


class Command(BaseCommand):
    help = (
        "Fill a space with the vectors of the model that the settings name (or the options). Search goes on with the "
        "active one until switch_space. Broken off, run it again: what is done stays done."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--provider", choices=sorted(PROVIDERS), help="Default: MEMORY_EMBEDDING_PROVIDER."
        )
        parser.add_argument("--model", help="Default: the provider's.")
        parser.add_argument("--dimensions", type=int, help="Default: MEMORY_EMBEDDING_DIMENSIONS.")
        parser.add_argument("--dry-run", action="store_true", help="Only say what it would take.")
        parser.add_argument("--yes", action="store_true", help="Do not ask.")
        parser.add_argument(
            "--queue",
            type=int,
            default=5000,
            help="Jobs waiting at most, so that new messages are not held up.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        identity = _identity(options)
        known = EmbeddingSpace.objects.filter(**identity._asdict()).first()
        estimate = reembedding.estimate(known or EmbeddingSpace(id=0))
        dollars = costs.price_of(identity.model) * estimate.tokens / 1_000_000
        self.stdout.write(
            f"{identity.provider}/{identity.model} ({identity.dimensions}): {estimate.messages} messages to embed, "
            f"at most {estimate.tokens} tokens, {dollars:.2f} USD by the model's price."
        )
        if options["dry_run"] or not (options["yes"] or _agreed()):
            return
        space = reembedding.space_for(identity)
        with tqdm(total=estimate.messages, unit="message", disable=None) as bar:
            _fill(space, bar, queue=max(options["queue"], reembedding.CHUNK))
        state = reembedding.progress(space)
        self.stdout.write(
            f"Space {space.id} has {state.embedded} of {state.messages} messages, {state.missing} missing "
            f"({state.buried} given up). Search it with: manage.py switch_space {space.id}"
        )


def _identity(options: dict[str, Any]) -> Identity:
    wanted = configured()
    provider = options["provider"] or wanted.provider
    same = provider == wanted.provider
    model = options["model"] or (wanted.model if same else PROVIDERS[provider].default_model)
    dimensions = options["dimensions"] or wanted.dimensions
    if not 1 <= dimensions <= settings.MAX_DIMENSIONS:
        raise CommandError(f"--dimensions must be between 1 and {settings.MAX_DIMENSIONS}.")
    return Identity(provider, model, dimensions)


def _agreed() -> bool:
    return input("Go on? [y/N] ").strip().lower() in ("y", "yes")


def _fill(space: EmbeddingSpace, bar: Any, *, queue: int) -> None:
    """Make jobs as fast as they are done, then wait for the last: new messages are always embedded before these."""
    made = 0
    for chunk in reembedding.fill(space):
        made += chunk.jobs
        _wait(space, bar, made, until=queue)
    _wait(space, bar, made, until=0)


def _wait(space: EmbeddingSpace, bar: Any, made: int, *, until: int) -> None:
    jobs = EmbeddingJob.objects.filter(space=space).open()
    last, changed = -1, time.monotonic()
    while (left := jobs.count()) > until:
        bar.update(max(0, made - left - bar.n))
        if left != last:
            last, changed = left, time.monotonic()
        elif time.monotonic() - changed > IDLE_SECONDS:
            raise CommandError(
                f"{left} jobs wait and none was done for {IDLE_SECONDS:.0f} s: does a worker run?"
            )
        time.sleep(POLL_SECONDS)
    bar.update(max(0, made - left - bar.n))
