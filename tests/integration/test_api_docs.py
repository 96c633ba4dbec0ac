"""The examples of docs/api.md and docs/quickstart.md that search or ask for a context by a body: each is answered."""

import json
import re
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memories import filter_fields, filter_grammar
from memories.context import MAX_TOKENS, RECENT_TURNS, TOP_K
from memories.context_serializers import RECENT_MAX, TOKENS_MAX, TOKENS_MIN
from memories.prompt_block import RECENT_SHARE
from memories.search_serializers import TOP_K_MAX
from memories.why import Verdict
from tenants.admin import INSTALLATION
from tenants.languages import LANGUAGES
from tests.factories import TenantFactory, remember

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "api.md").read_text(encoding="utf-8")
SEARCH = "/v1/memory/search"
QUICKSTART = (DOCS / "quickstart.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"POST localhost:8000(/v1/\S+)[^{\n]+'({.+?})'\n", flags=re.DOTALL)
BODIES = [
    (path, json.loads(body))
    for page in (PAGE, QUICKSTART)
    for path, body in EXAMPLE.findall(page)
    if path in (SEARCH, "/v1/memory/context") or "return_context" in body
]
FILTERS = [json.loads(text) for text in re.findall(r'`(\{"[^`]+\})`', PAGE)]


def test_it_works():
    assert sorted(path for path, _ in BODIES) == ["/v1/memory/context"] * 2 + [SEARCH, "/v1/messages"]
    assert len(FILTERS) >= 5


@pytest.mark.parametrize(("path", "body"), BODIES, ids=str)
def test_a_body_of_the_pages_is_answered(operator, path, body):
    TenantFactory(name="test")
    assert operator.post(path, body).status_code in (200, 201)


def test_the_text_of_the_page_is_what_the_context_says(operator):
    """Of messages like those of the page, and with its own example of a body."""
    tenant = TenantFactory(name="test")
    [expected] = re.findall(r"(    Memories, .+?    End of memories\.\n)", PAGE, flags=re.DOTALL)
    spring = datetime(2026, 3, 2, 9, 14, tzinfo=UTC)
    remember(tenant, "Guess who moved!", conversation="conv-1", user_id="ann", name="Ann", created_at=spring)
    moved = "My sister Mia, to Lisbon.\nShe found a flat by the river."
    later = spring + timedelta(minutes=1)
    remember(tenant, moved, conversation="conv-1", user_id="ann", name="Ann", created_at=later)
    now = datetime(2026, 6, 8, 18, 30, tzinfo=UTC)
    fields = {"conversation": "conv-7", "user_id": "ann", "created_at": now}
    remember(tenant, "Good evening, Ann!", role="assistant", **fields)
    remember(tenant, "Where does my sister live?", name="Ann", **fields)
    [body] = [body for path, body in BODIES if path == "/v1/memory/context" and "max_tokens" in body]
    answer = operator.post("/v1/memory/context", body | {"top_k": 1}).json()
    assert textwrap.indent(answer["text"], "    ") == expected


def test_the_page_states_the_limits_of_a_context():
    assert f"| `max_tokens` | {TOKENS_MIN} to {TOKENS_MAX:,}, default {MAX_TOKENS:,}" in PAGE
    assert f"| `recent` | 0 to {RECENT_MAX}, default {RECENT_TURNS}" in PAGE
    assert f"| `top_k` | 1 to {TOP_K_MAX}, default {TOP_K}" in PAGE
    assert f"{RECENT_SHARE:.0%}".replace("%", " %") in PAGE


@pytest.mark.parametrize(
    "filters", [each for each in FILTERS if any("metadata" in key for key in each)], ids=str
)
def test_a_filter_of_the_page_is_answered(bot, filters):
    assert bot.post(SEARCH, {"query": "tea", "filters": filters}).status_code == 200


@pytest.mark.parametrize("column", filter_fields.COLUMNS.values(), ids=lambda column: column.name)
def test_the_page_lists_every_field_with_its_operators(column):
    [row] = [line for line in PAGE.splitlines() if re.match(rf"\| (`\w+`, )*`{column.name}`.*\| `eq", line)]
    assert f"| `{' '.join(column.operators)}` |" in row


def test_the_page_lists_every_verdict_and_its_example_is_a_question(operator):
    assert re.findall(r"^\| `(\w+)` \|", PAGE.partition("| `verdict` |")[2], re.MULTILINE)[
        : len(Verdict)
    ] == list(Verdict)
    [body] = re.findall(r"POST \S+/v1/memory/explain[^{]+'({.+?})'", PAGE, flags=re.DOTALL)
    [message] = remember(TenantFactory(name="test"), "Mia lives in Lisbon", user_id="ann")
    answer = operator.post("/v1/memory/explain", json.loads(body) | {"message_id": str(message.id)})
    assert answer.json()["verdict"] == "in_answer"
    assert operator.post("/v1/memory/explain", json.loads(body)).status_code == 404


def test_the_page_states_the_limits():
    limits = (filter_grammar.DEPTH, filter_grammar.CONDITIONS, filter_grammar.IN_VALUES)
    assert "{} levels, {} conditions, {:,} values".format(*limits) in PAGE


def test_the_page_knows_every_setting_and_how_many_languages_there_are():
    table = PAGE.partition("## Settings of a tenant")[2].partition("**A change")[0]
    settings = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.+?) \|", table, re.MULTILINE)))
    assert set(settings) == {"search_mode", "language", *INSTALLATION}
    assert f"{len(LANGUAGES) - 1} languages; `simple`" in table
