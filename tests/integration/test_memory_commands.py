"""manage.py import_messages and evaluate."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from memories.models import Message
from tenants.models import Tenant
from tests.unit.test_evaluation import DATA


def lines(count: int) -> list[str]:
    return [
        json.dumps(
            {"conversation_id": "c", "role": "user", "content": f"message {n}", "external_id": f"m{n}"}
        )
        for n in range(count)
    ]


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "messages.jsonl"
    path.write_text("\n".join(lines(1200)) + "\n\n", encoding="utf-8")
    return path


def test_import_works(db, file):
    assert "1200 messages stored, 0" in run("import_messages", str(file), "--tenant", "acme")
    tenant = Tenant.objects.get(name="acme")
    assert Message.objects.for_tenant(tenant.id).count() == 1200


def test_an_import_goes_on_where_it_stopped(db, file):
    text = file.read_text(encoding="utf-8")
    file.write_text("\n".join([*lines(700), "{broken", *lines(1200)[700:]]), encoding="utf-8")
    with pytest.raises(CommandError, match="line 701 is not JSON"):
        run("import_messages", str(file), "--tenant", "acme")
    file.write_text(text, encoding="utf-8")
    assert "700 messages stored, 500" in run("import_messages", str(file), "--tenant", "acme")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"role": "user"}', "line 2: conversation_id"),
        ("[1]", "line 2: "),
        (
            '{"tenant_id": "other", "conversation_id": "c", "role": "user", "content": "x"}',
            "line 2 is of another tenant",
        ),
        (
            '{"conversation_id": "c", "role": "user", "content": "x", "external_id": "m0"}',
            "external_id taken",
        ),
    ],
)
def test_a_bad_line_is_named_and_its_batch_left_out(db, tmp_path, line, message):
    path = tmp_path / "bad.jsonl"
    path.write_text(lines(1)[0] + "\n" + line, encoding="utf-8")
    with pytest.raises(CommandError, match=message):
        run("import_messages", str(path), "--tenant", "acme")
    assert Message.objects.count() == 0


def test_a_missing_file_is_said(db, tmp_path):
    with pytest.raises(CommandError, match="cannot be read"):
        run("import_messages", str(tmp_path / "none.jsonl"), "--tenant", "acme")


def test_evaluate_works_and_cleans_up(db, tmp_path):
    path = tmp_path / "data.json"
    path.write_text(json.dumps(DATA), encoding="utf-8")
    report = run("evaluate", str(path))
    assert "recall@10" in report
    assert "single-hop" in report
    assert "3 messages; search p50" in report
    assert not Tenant.objects.exists()
    assert not Message.objects.exists()


def test_evaluate_refuses_another_format(db, tmp_path):
    path = tmp_path / "data.json"
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(CommandError, match="LoCoMo"):
        run("evaluate", str(path))
