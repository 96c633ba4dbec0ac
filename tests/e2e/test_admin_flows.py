"""What a person does in the admin, clicked through in a browser over the whole stack."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browsers import CHROMIUM, NONE, Visitor, choose, visiting
from tests.stack import Stack

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=NONE)

TENANT = "flows"


@pytest.fixture(scope="module")
def visitor(stack: Stack) -> Iterator[Visitor]:
    """Of a stack with some old and some new messages."""
    stack.up()
    old = (datetime.now(UTC) - timedelta(days=50)).isoformat()
    texts = [
        "I drink green tea every morning",
        "My sister is allergic to peanuts",
        "<b>Coffee</b> keeps me awake",
    ]
    rows = [{"content": text, "created_at": old, "importance": 0.2} for text in texts]
    rows += [{"content": "Today I bought a teapot", "importance": 0.9}]
    common = {"conversation_id": "chat/1", "role": "user", "name": "Mara"}
    stack.post("/v1/messages/batch", tenant_id=TENANT, messages=[common | row for row in rows])
    with visiting(stack) as visitor:
        yield visitor


@pytest.fixture
def opened(visitor: Visitor) -> Iterator:
    """opened(path): a page. At the end no page may have had a fault."""
    visitor.faults.clear()
    pages: list[Page] = []

    def go(path: str) -> Page:
        pages.append(visitor.open(path))
        return pages[-1]

    yield go
    for page in pages:
        page.close()
    assert visitor.faults == []


def hits(page: Page) -> list[str]:
    return page.locator(".mc-hit .mc-text").all_inner_texts()


def test_from_the_playground_to_saved_weights(opened, stack: Stack) -> None:
    page = opened(f"/admin/playground/?tenant={TENANT}")
    page.get_by_label("Query").fill("What does Mara drink?")
    page.keyboard.press("Enter")
    expect(page.locator(".mc-hit")).to_have_count(4)
    assert "<b>Coffee</b> keeps me awake" in hits(page), "as text"
    page.get_by_role("button", name="Compare two settings").click()
    side = page.get_by_label("Setting B", exact=True)
    for name, key in (("Similarity", "Home"), ("Decay", "Home"), ("Importance", "End")):
        side.get_by_role("slider", name=name).focus()
        page.keyboard.press(key)
    expect(side.locator(".mc-hit").first).to_contain_text("teapot")
    expect(side.locator(".mc-up, .mc-down").first).to_be_visible()
    side.get_by_role("button", name="Copy as curl").click()
    expect(page.get_by_role("dialog").locator("pre")).to_contain_text("$MEMORY_API_KEY")
    page.keyboard.press("Escape")
    side.get_by_role("button", name="Save to tenant").click()
    expect(side).to_contain_text("All searches of flows have these weights now.")
    found = stack.get(f"/v1/memory/search?tenant_id={TENANT}&query=peanuts&explain=true")
    assert found["explain"]["weights"] == {"similarity": 0.0, "importance": 1.0, "decay": 0.0}
    page.get_by_label("Message id").fill(found["results"][-1]["id"])
    page.get_by_role("button", name="Explain").click()
    expect(page.locator("#verdict")).to_contain_text("It is in the answer")


def test_from_a_policy_to_its_preview_its_run_and_back(opened, stack: Stack) -> None:
    page = opened("/admin/retention/retentionpolicy/add/")
    preview = page.locator("#preview")
    choose(page, "tenant", TENANT)
    page.locator("[name=name]").fill("old small talk")
    expect(preview).to_contain_text("needs a rule")
    page.locator("[name=older_than_days]").fill("30")
    expect(preview).to_contain_text("3 archived")
    expect(preview).to_contain_text("<b>Coffee</b>")
    page.locator("[name=importance_below]").fill("7")
    expect(preview).to_contain_text("less than or equal to 1")
    page.locator("[name=importance_below]").fill("0.5")
    expect(preview).to_contain_text("importance below 0.5")
    page.locator("button[name=_continue], input[name=_continue]").first.click()
    page.get_by_role("button", name="Run it now").click()
    expect(page.get_by_role("button", name="Undo this run")).to_be_visible(timeout=30_000)
    assert _in_memory(stack) == 1
    page.get_by_role("button", name="Undo this run").click()
    expect(page.get_by_text("Under way")).to_have_count(0, timeout=30_000)
    assert _in_memory(stack) == 4


def test_from_a_list_to_the_conversation(opened) -> None:
    page = opened("/admin/memories/message/?q=chat/1")
    page.locator('a[href*="/memories/message/"][href*="/change/"]').first.click()
    expect(page.locator("[aria-current=true]")).to_have_count(1)
    page.get_by_role("link", name="Read the whole conversation").click()
    expect(page.locator(".mc-turn")).to_have_count(4)
    with page.expect_download() as download:
        page.get_by_role("link", name="Export").click()
    lines = download.value.path().read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[-1]) == {"exported": 4, "complete": True}


def test_from_a_buried_job_to_its_vector(opened, stack: Stack) -> None:
    message = stack.post(
        "/v1/messages", tenant_id=TENANT, conversation_id="buried", role="user", content="a text refused"
    )
    stack.wait(lambda: _jobs(stack, message["id"]) == 0, "embedding")
    stack.sql(
        """INSERT INTO memories_embeddingjob (tenant_id, message_id, space_id, attempts, last_error, buried_at)
           SELECT tenant_id, id, (SELECT id FROM memories_embeddingspace WHERE active), 3, 'It was refused.', now()
           FROM memories_message WHERE id = %s RETURNING id""",
        [message["id"]],
    )
    page = opened(f"/admin/memories/message/{message['id']}/change/")
    expect(page.get_by_text("It was refused.")).to_be_visible()
    jobs = opened("/admin/memories/embeddingjob/?state=buried")
    jobs.locator("input.action-select").first.check()
    jobs.locator("select[name=action]").select_option("try_again")
    jobs.locator("button[name=index]").click()
    expect(jobs.get_by_text("1 buried jobs are due again")).to_be_visible()
    stack.wait(lambda: _jobs(stack, message["id"]) == 0, "second try")
    page.reload()
    expect(page.get_by_text("Ready", exact=True)).to_be_visible()


def test_from_an_issued_key_to_a_call(opened, stack: Stack) -> None:
    page = opened("/admin/tenants/apikey/add/")
    choose(page, "tenant", TENANT)
    page.locator("input[name=scopes][value=read]").check()
    try:
        page.locator("button[name=_save], input[name=_save]").first.click()
        key = page.get_by_text(re.compile(r"^\s*mlk_[\w-]+\s*$")).first.inner_text().strip()
        request = urllib.request.Request(
            f"{stack.address()}/v1/memory/search?query=tea", headers={"X-API-Key": key}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert json.load(answer)["results"]
        with pytest.raises(urllib.error.HTTPError, match="401"):
            stack.get("/v1/memory/search?query=tea")
    finally:
        stack.sql("DELETE FROM tenants_apikey RETURNING id")  # the other tests have none


def test_on_a_phone_nothing_is_wider_than_the_screen(opened) -> None:
    page = opened(f"/admin/playground/?tenant={TENANT}")
    page.set_viewport_size({"width": 390, "height": 800})
    page.get_by_label("Query").fill("tea")
    page.keyboard.press("Enter")
    page.locator(".mc-hit").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def _in_memory(stack: Stack) -> int:
    [(count,)] = stack.sql("SELECT count(*) FROM memories_message WHERE conversation_id = 'chat/1'")
    return count


def _jobs(stack: Stack, message_id: str) -> int:
    [(count,)] = stack.sql("SELECT count(*) FROM memories_embeddingjob WHERE message_id = %s", [message_id])
    return count
