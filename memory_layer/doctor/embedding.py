"""Whether texts become vectors, and whether vectors are found."""

import time
from collections.abc import Iterator

from django.db.models import Count

from memories import recall, training
from memories.embeddings import HARMLESS, EmbeddingError, Fault, Identity, checked, configured, stand_in
from memories.embeddings.registry import provider_of
from memories.models import EmbeddingJob, EmbeddingSpace
from memories.reembedding import progress
from memory_layer.doctor.findings import Finding, error, ok, warning

RECALL = 0.9
NAMED_REASONS = 3
MENDS = {
    Fault.PROVIDER: "Look whether the provider is up and can be reached from here.",
    Fault.SETUP: "Look at the provider's key, model, dimensions and address (docs/providers.md).",
    Fault.TEXT: "It refuses a harmless word: look at its model and MEMORY_EMBEDDING_SEND_DIMENSIONS.",
}


def providers() -> Iterator[Finding]:
    """One word is embedded by each, past their breakers; of a remote one that costs a call."""
    used = configured()
    for identity in (used, stand_in(used)):
        if identity:
            yield _asked(identity)


def _asked(identity: Identity) -> Finding:
    name = f"{identity.provider}/{identity.model} ({identity.dimensions})"
    started = time.perf_counter()
    try:
        checked(provider_of(identity).embed([HARMLESS]), count=1, dimensions=identity.dimensions)
    except EmbeddingError as problem:
        return error("provider", f"{name} gave no vector: {problem}.", MENDS[problem.fault])
    return ok("provider", f"{name} answers in {(time.perf_counter() - started) * 1000:.0f} ms.")


def spaces() -> Iterator[Finding]:
    """The active one, and those that cost a vector for each message without being searched."""
    for space in EmbeddingSpace.objects.order_by("-active", "id"):
        state = progress(space)
        if space.active:
            yield ok(
                "spaces", f"{space} is searched; {state.embedded} of {state.messages} messages have a vector."
            )
            continue
        yield warning(
            "spaces",
            f"{space} is not searched, and every new message is embedded for it too ({state.embedded} vectors).",
            f"`manage.py switch_space {space.id}` if it is to be used, else `manage.py drop_space {space.id}`.",
        )


def buried() -> Iterator[Finding]:
    """Texts that were given up, by the provider's reason."""
    given_up = EmbeddingJob.objects.filter(buried_at__isnull=False)
    reasons = given_up.values_list("last_error").annotate(jobs=Count("id")).order_by("-jobs", "last_error")
    most = list(reasons[:NAMED_REASONS])
    for reason, jobs in most:
        yield warning(
            "buried",
            f"{jobs} messages have no vector: {reason}.",
            "Words find them. Once the reason is gone: `manage.py replay_jobs`.",
        )
    if not most:
        yield ok("buried", "No message was given up.")


def vector_recall() -> Iterator[Finding]:
    """Of tenants that are searched by buckets."""
    waiting = [
        due for space in EmbeddingSpace.objects.filter(active=True) for due in training.due_tenants(space)
    ]
    found = recall.overview()
    if found is None:
        yield ok("recall", "No tenant is searched by buckets, or none was measured yet.")
    elif found.minimum < RECALL:
        yield warning(
            "recall",
            f"The buckets of a tenant find {found.minimum:.0%} of the nearest messages.",
            "`manage.py check_recall` names it; raise MEMORY_PROBES or run `manage.py train_codebooks`.",
        )
    else:
        yield ok("recall", f"Buckets find {found.minimum:.0%} of the nearest messages, or more.")
    if waiting:
        yield ok(
            "recall", f"{len(waiting)} tenants wait for new buckets; searches find everything meanwhile."
        )
