"""A person's browser on a running stack: Chromium, logged in to the admin, that notes what goes wrong in it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import BrowserContext, Page, sync_playwright

from tests.stack import Stack

# As Debian installs it.
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NONE = "no Chromium on this machine, so NO page was opened in a browser (Debian: apt-get install chromium)"
# Root may not have a sandbox.
_ARGUMENTS = ["--no-sandbox"] if os.geteuid() == 0 else []


@dataclass
class Visitor:
    """Its pages, and their faults: errors in the console and requests to elsewhere."""

    context: BrowserContext
    address: str
    faults: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """A new page, at this path."""
        page = self.context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", lambda said: self._note(said.type == "error", f"console: {said.text}"))
        page.on("pageerror", lambda error: self._note(True, f"script: {error}"))
        page.on("request", lambda sent: self._note(self._elsewhere(sent.url), f"request: {sent.url}"))
        page.goto(self.address + path)
        return page

    def _elsewhere(self, url: str) -> bool:
        return not url.startswith((f"{self.address}/", "data:", "blob:"))

    def _note(self, is_fault: bool, what: str) -> None:
        if is_fault:
            self.faults.append(what)


@contextmanager
def visiting(stack: Stack, **options) -> Iterator[Visitor]:
    """Logged in as the first administrator; `options` as Playwright's new_context() takes them."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        context = browser.new_context(**options)
        visitor = Visitor(context, stack.address())
        page = visitor.open("/admin/login/?next=/admin/")
        page.fill("[name=username]", "admin")
        page.fill("[name=password]", (stack.data_dir / "admin-password").read_text().strip())
        page.press("[name=password]", "Enter")
        page.wait_for_url("**/admin/")
        page.close()
        yield visitor
        browser.close()


@contextmanager
def visiting_again(visitor: Visitor, **options) -> Iterator[Visitor]:
    """The same person at another window: another size, another taste."""
    browser = visitor.context.browser
    assert browser
    context = browser.new_context(storage_state=visitor.context.storage_state(), **options)
    yield Visitor(context, visitor.address)
    context.close()


def choose(page: Page, field: str, label: str) -> None:
    """In a form's choice that is searched by typing."""
    page.locator(f"[name={field}] + .select2 .select2-selection").click()
    page.locator(".select2-search__field").fill(label)
    page.locator(".select2-results__option", has_text=label).first.click()
