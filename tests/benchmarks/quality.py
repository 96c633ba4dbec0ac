"""`make bench-quality`: what a client finds through the REST API, on LoCoMo's format and on made-up long answers."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import django

from memories import datasets, measures
from memories.datasets import Conversation
from memories.measures import Asked, Report, measure
from tests.benchmarks import long_chats
from tests.benchmarks.clients import Client, ingest
from tests.benchmarks.systems import OURS, System
from tests.faults.kills import until_embedded
from tests.stack import Stack, running_stack

DEPTH = 20
LOCAL = {"MEMORY_EMBEDDING_PROVIDER": "local"}

DataSets = Mapping[str, Sequence[Conversation]]


def run(dataset: Path | None, model: Path | None) -> None:
    """Print the measures of every data set and provider, side by side at the end, then the ablation table."""
    data_sets = {dataset.stem: datasets.read(dataset)} if dataset else {}
    data_sets["made-up long chats"] = datasets.parse(long_chats.conversations())
    reports: dict[str, Report] = {}
    if model:
        with running_stack(**_settings_of(model)) as stack:
            reports |= _measured(stack, data_sets, provider=model.name)
    with running_stack(**LOCAL) as stack:
        reports |= _measured(stack, data_sets, provider="local")
        _print_side_by_side(reports)
        with _in_process(stack):
            from tests.benchmarks import ablation  # needs Django, which needs the stack's addresses

            ablation.run(data_sets)


@contextmanager
def _in_process(stack: Stack) -> Iterator[None]:
    """Django in this process, on the stack's servers."""
    os.environ.update(LOCAL)
    stack.enter_environment()
    django.setup()
    yield


def _settings_of(model: Path) -> dict[str, str]:
    pooling = json.loads((model / "1_Pooling" / "config.json").read_text(encoding="utf-8"))
    return {
        "MEMORY_EMBEDDING_PROVIDER": "sentence_transformers",
        "MEMORY_EMBEDDING_MODEL": str(model.resolve()),
        "MEMORY_EMBEDDING_DIMENSIONS": str(pooling["word_embedding_dimension"]),
    }


def _measured(stack: Stack, data_sets: DataSets, *, provider: str) -> dict[str, Report]:
    reports = {}
    for name, conversations in data_sets.items():
        title = f"{name}, {provider}"
        reports[title] = through_api(stack, name, conversations)
        print(f"\n{title}: {reports[title].messages} messages, through the REST API")
        print("\n".join(measures.table(reports[title])))
    return reports


def through_api(stack: Stack, name: str, conversations: Sequence[Conversation]) -> Report:
    """Store each conversation as a tenant of its own, wait for its vectors, ask its questions."""
    report = Report()
    for conversation in conversations:
        tenant = f"{name} {conversation.id}"
        ask_questions(OURS, stack.address(), tenant, conversation, partial(until_embedded, stack), report)
    return report


def ask_questions(
    system: System,
    address: str,
    tenant: str,
    conversation: Conversation,
    embedded: Callable[[str], object],
    report: Report,
) -> None:
    """Store the conversation as that tenant, wait until `embedded(tenant)` returns, ask; adds to the report."""
    rows = as_messages(conversation)
    ingest(address, tenant, rows, batch=system.batch, clients=2, store=system.store)
    embedded(tenant)
    report.messages += len(rows)
    with Client(address) as client:
        for question in conversation.questions:
            started = time.perf_counter()
            found = system.search(client, tenant, question.text, DEPTH)
            report.asked.append(
                Asked(
                    category=question.category,
                    answerable=question.answerable,
                    measures=measure(found, question.evidence),
                    milliseconds=(time.perf_counter() - started) * 1000,
                )
            )


def as_messages(conversation: Conversation) -> list[dict[str, str]]:
    """The turns as the API takes them."""
    return [
        {
            "conversation_id": conversation.id,
            "role": turn.role,
            "content": turn.text,
            "external_id": turn.id,
            "created_at": turn.said_at.isoformat(),
        }
        | ({"name": turn.speaker} if turn.speaker else {})
        for turn in conversation.turns
    ]


def _print_side_by_side(reports: Mapping[str, Report]) -> None:
    width = max(map(len, reports)) + 2
    print("\nAll answerable questions, side by side (95% bootstrap intervals)")
    print(f"{'':<{width}}" + "".join(f"{name:>11}" for name in measures.MEASURES) + f"{'p50 ms':>9}")
    for title, report in reports.items():
        means = measures.means(report.of(None))
        cells = "".join(f"{means[name]:>11.3f}" for name in measures.MEASURES)
        print(f"{title:<{width}}{cells}{report.percentile(0.5):>9.1f}")
        for name in measures.WITH_INTERVAL:
            low, high = measures.interval(report.of(None), name)
            print(f"{'':<{width}}  {name} {low:.3f} to {high:.3f}")
