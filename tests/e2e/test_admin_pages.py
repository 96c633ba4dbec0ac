"""Every page of the admin opens in a browser: no faults, nothing from elsewhere, by keyboard, on a phone, dark."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.contrib import admin
from django.urls import reverse

from memory_layer.admin_navigation import ROOMS
from tests.browsers import CHROMIUM, NONE, Visitor, visiting, visiting_again
from tests.stack import Stack

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=NONE)

TENANT = "pages"
PHONE = {"width": 390, "height": 844}
# Of these the browser measures what it cannot from the server: each needs a load of its own.
LISTS = [
    reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    for model in admin.site._registry
]
ROOM_PAGES = [str(entry["link"]) for room in ROOMS for entry in room["items"]]
OTHERS = ["/admin/password_change/", f"/admin/statistics/index/?tenant={TENANT}&word=t"]


@pytest.fixture(scope="module")
def visitor(stack: Stack) -> Iterator[Visitor]:
    """Of a stack with a row or more on most pages."""
    stack.up()
    common = {"conversation_id": "a conversation with a rather long name/1", "role": "user", "user_id": "ann"}
    texts = ["tea " * 60, "I drink tea", "x" * 300]
    stack.post(
        "/v1/messages/batch", tenant_id=TENANT, messages=[common | {"content": text} for text in texts]
    )
    stack.post(
        "/v1/admin/policies", tenant_id=TENANT, name="old ones", older_than_days=3650, action="archive"
    )
    stack.post("/v1/admin/holds", tenant_id=TENANT, kind="user", subject="ann", reason="matter 7")
    stack.post("/v1/admin/retention/run", tenant_id=TENANT)
    with visiting(stack, reduced_motion="reduce") as visitor:
        yield visitor


class Walk:
    """One page that is led from address to address; what was wrong, and which rows it came past."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.page = visitor.open("/admin/")
        self.wrong: list[str] = []
        self.behind: dict[str, None] = {}

    def to(self, path: str) -> None:
        self.visitor.faults.clear()
        answer = self.page.goto(self.visitor.address + path)
        found = list(self.visitor.faults)
        looks = self.page.evaluate(LOOK, path)
        if answer is None or answer.status != 200:
            found.append(f"status {answer and answer.status}")
        found += [what for what, is_so in looks["wrong"].items() if is_so]
        self.wrong += [f"{path}: {what}" for what in found]
        self.behind |= dict.fromkeys(urlsplit(link).path for link in looks["behind"])


# In the page: what is wrong with it, and where its first row and its form for a new one are.
LOOK = """path => ({
    wrong: {
        "not one heading": document.querySelectorAll("h1").length !== 1,
        "wider than the window": document.documentElement.scrollWidth > innerWidth,
        "says nothing of itself": !document.querySelector(".aml-help, .mc-card, form"),
    },
    behind: [
        document.querySelector("#result_list a[href*='/change/']"), document.querySelector(`a[href='${path}add/']`),
    ].filter(Boolean).map((link) => link.href),
})"""


def test_every_page_opens_and_is_whole(visitor: Visitor) -> None:
    walk = Walk(visitor)
    for path in dict.fromkeys([*LISTS, *ROOM_PAGES, *OTHERS]):
        walk.to(path)
    assert len(walk.behind) > len(LISTS) / 2, "most lists have a row or a form"
    for path in list(walk.behind):
        walk.to(path)
    walk.page.close()
    assert walk.wrong == []


def test_in_the_dark_on_a_phone_all_lists_fit(visitor: Visitor) -> None:
    with visiting_again(visitor, viewport=PHONE, color_scheme="dark", reduced_motion="reduce") as phone:
        walk = Walk(phone)
        assert walk.page.locator("html.dark").count() == 1
        for path in [*LISTS, "/admin/"]:
            walk.to(path)
        assert walk.wrong == []


def test_the_keyboard_reaches_the_navigation_and_the_first_action(visitor: Visitor) -> None:
    page = visitor.open("/admin/memories/message/")
    reached = []
    for _ in range(45):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("(document.activeElement.innerText || document.activeElement.id).trim()")
        )
    words = " | ".join(reached)
    for wanted in ("Dashboard", "API keys", "searchbar", "Filters"):
        assert wanted in words, words
    page.get_by_role("button", name="Filters").focus()
    page.keyboard.press("Enter")
    page.get_by_label("By conversation").wait_for()
    page.keyboard.press("Escape")
    page.locator("input.action-select").first.focus()
    page.keyboard.press("Space")
    page.locator("select[name=action]").wait_for()
    page.close()


def test_charts_are_redrawn_in_the_dark_which_is_remembered(visitor: Visitor) -> None:
    with visiting_again(visitor, reduced_motion="reduce") as person:
        page = person.open("/admin/")
        canvas = page.locator("canvas[data-chart]").first
        canvas.wait_for()
        light = canvas.screenshot()
        page.keyboard.press("Control+e")  # from automatic to light
        page.keyboard.press("Control+e")
        page.locator("html.dark").wait_for()
        page.wait_for_timeout(200)
        assert canvas.screenshot() != light
        page.reload()
        assert page.locator("html.dark").count() == 1
