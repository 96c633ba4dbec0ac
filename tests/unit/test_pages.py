"""Every link of the README and of docs/ leads somewhere, and every file that a page names is there."""

import re

import pytest
from django.apps import apps

from tests.pages import PAGES, ROOT, anchors, links, prose

NAMES_FILES = [ROOT / "docs" / name for name in ("architecture.md", "contributing.md")]
TOPS = [path for path in ROOT.iterdir() if path.is_file() or not path.name.startswith(".")]
EVERYTHING = [
    path.relative_to(ROOT) for top in TOPS for path in ([top] if top.is_file() else [top, *top.rglob("*")])
]
ROOMS = ("memory_layer", "memories", "retention", "tenants")


def test_there_are_links():
    assert sum(len(links(page)) for page in PAGES) > 100


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    for target in links(page):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert there.is_relative_to(ROOT), target
        if anchor:
            assert anchor in anchors(there), target


def test_every_page_can_be_reached_from_the_readme():
    seen, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page not in seen and page.suffix == ".md":
            seen.add(page)
            ahead += [(page.parent / target.partition("#")[0]).resolve() for target in links(page)]
    assert set(PAGES) <= seen


def named(page) -> set[str]:
    """What looks like a file or a directory: `env.py`, `doctor/`, `dashboard*.py`, `tests/integration/test_env.py`."""
    spans = re.findall(r"`([^`\n]+)`", prose(page))
    return {span for span in spans if re.fullmatch(r"[\w.*/-]+(\.(py|md|txt|in|toml|example|json)|/)", span)}


@pytest.mark.parametrize("page", NAMES_FILES, ids=lambda page: page.name)
def test_every_file_that_is_named_is_there(page):
    names = named(page)
    assert len(names) > 10
    assert not [name for name in names if not any(path.match(name.rstrip("/")) for path in EVERYTHING)]


def test_every_function_on_the_three_lines_is_there():
    """`jobs.run_batch` in a drawing of architecture.md is a name in a module `jobs` of one of the rooms."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawings = "\n".join(re.findall(r"^ {4}.*$", page, re.MULTILINE))
    steps = set(re.findall(r"\b(?<!memories\.)(?!memories\.)([a-z_]+)\.(?!md\b)([A-Za-z_]+)\b", drawings))
    assert len(steps) > 25
    assert not [f"{module}.{name}" for module, name in steps if not defined(module, name)]


def defined(module: str, name: str) -> bool:
    files = [path for room in ROOMS for path in (ROOT / room).rglob(f"{module}.py")]
    files += [path for room in ROOMS for path in (ROOT / room).glob(f"{module}/*.py")]
    return any(
        re.search(rf"\b(def|class) {name}\b|\bimport .*\b{name}\b", path.read_text("utf-8")) for path in files
    )


def test_every_table_is_in_the_architecture():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    tables = [model._meta.db_table for app in ROOMS for model in apps.get_app_config(app).get_models()]
    assert [table for table in tables if f"`{table}`" not in page] == []
