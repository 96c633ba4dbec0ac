"""docs/examples.md and the README: every example is run, and every answer shown is the one that comes."""

import io
import shutil
import time
from collections.abc import Iterable

import pytest
from django.core.management import call_command
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from memories import caching
from tests.examples import Part, Python, Shell, is_set_up, parts, readme_parts, set_up_commands
from tests.shown_answers import differences, read_shown


@pytest.fixture
def variables(live_server, monkeypatch) -> dict[str, str]:
    """A server as the page wants it: a tenant, its key, an operator's key, worker and beat alive."""
    keys = []
    for command, *arguments in set_up_commands():
        said = io.StringIO()
        call_command(command, *arguments, stdout=said)
        keys += [line for line in said.getvalue().split() if line.startswith("mlk_")]
    caching.record_pulse(time.time())
    every = IntervalSchedule.objects.create(every=15, period=IntervalSchedule.SECONDS)
    PeriodicTask.objects.create(
        name="sweep", task="memories.tasks.sweep", interval=every, last_run_at=timezone.now()
    )
    found = {"URL": live_server.url} | dict(zip(("KEY", "OPERATOR_KEY"), keys, strict=True))
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


def walk(reader: Shell | Python, page: Iterable[Part]) -> list[str]:
    """Every block of the reader's kind in turn; what is shown otherwise than answered."""
    wrong = []
    for part in page:
        if part.kind == reader.kind and not is_set_up(part):
            reader.run(part.text)
        elif part.kind == "json":
            wrong += differences(read_shown(part.text), reader.answer)
        elif part.kind == "name":
            reader.name(*part.text.split("="))
    return wrong


@pytest.mark.skipif(not shutil.which("curl"), reason="runs curl commands")
@pytest.mark.django_db(transaction=True)
def test_the_commands_are_answered_as_shown(variables, tmp_path):
    reader = Shell(tmp_path, variables)
    assert walk(reader, parts()) == []
    assert reader.headers.count("Idempotent-Replayed: true") == 1
    assert len((tmp_path / "tom.jsonl").read_text(encoding="utf-8").splitlines()) == 3


@pytest.mark.django_db(transaction=True)
def test_the_python_is_answered_as_shown(variables):
    assert walk(Python(variables), parts()) == []


@pytest.mark.skipif(not shutil.which("curl"), reason="runs curl commands")
@pytest.mark.django_db(transaction=True)
def test_the_calls_of_the_readme_are_answered_as_shown(variables, tmp_path):
    """Nobody needs a key on a fresh `make run`; here an operator's is sent along."""
    page = list(readme_parts())
    assert [part.kind for part in page] == ["bash", "json"] * 2
    assert walk(Shell(tmp_path, variables, always=(f"X-API-Key: {variables['OPERATOR_KEY']}",)), page) == []


def test_every_answer_stands_under_both():
    since_the_last_answer: set[str] = set()
    answers = 0
    for part in parts():
        if part.kind == "json":
            assert since_the_last_answer >= {"bash", "python"}, part.text
            since_the_last_answer.clear()
            answers += 1
        since_the_last_answer.add(part.kind)
    assert answers > 20
