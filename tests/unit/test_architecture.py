"""The habits of docs and review that a machine can hold: layers, sizes, imports, no signals, documented modules."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("memory_layer", "memories", "retention", "tenants")
FILE_LINES, FUNCTION_LINES = 300, 60
SPEAKS_FOR_ITSELF = {"__init__.py", "urls.py", "admin.py", "apps.py"}
# Celery has no other way to be told.
HEARS_SIGNALS = {"memory_layer/celery.py"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path.relative_to(ROOT) for path in found if "migrations" not in path.parts]


CODE = sources(*PACKAGES)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def roots(node: ast.AST) -> set[str]:
    """The packages that an import statement names."""
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    return {(node.module or "").partition(".")[0]} if isinstance(node, ast.ImportFrom) else set()


def test_it_works():
    assert len(CODE) > 50
    assert Path("memories/ingest.py") in CODE


def test_imports_go_the_way_the_layers_say(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    status = lint_imports(no_cache=True)
    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_a_file_fits_in_a_head():
    lengths = {
        str(path): (ROOT / path).read_text(encoding="utf-8").count("\n")
        for path in sources(*PACKAGES, "tests")
    }
    assert not {path: lines for path, lines in lengths.items() if lines > FILE_LINES}


def test_a_function_fits_on_a_screen():
    long = [
        f"{path}:{function.lineno} {function.name}"
        for path in CODE
        for function in functions(tree_of(path))
        if function.end_lineno - function.lineno >= FUNCTION_LINES
    ]
    assert not long


def test_our_own_modules_are_imported_at_the_top():
    late = [
        f"{path}:{node.lineno} in {function.name}"
        for path in CODE
        for function in functions(tree_of(path))
        if function.name != "ready"
        for node in ast.walk(function)
        if roots(node) & set(PACKAGES)
    ]
    assert not late


def test_nothing_happens_by_signal():
    heard = [
        f"{path}:{node.lineno}"
        for path in CODE
        if str(path) not in HEARS_SIGNALS
        for node in ast.walk(tree_of(path))
        if (isinstance(node, ast.ImportFrom) and (node.module or "").endswith(("signals", "dispatch")))
        or (isinstance(node, ast.Name) and node.id == "receiver")
    ]
    assert not heard


def test_every_module_says_what_it_is():
    modules = [path for path in CODE if path.name not in SPEAKS_FOR_ITSELF]
    assert not [str(path) for path in modules if not ast.get_docstring(tree_of(path))]


def test_every_function_says_what_it_returns():
    silent = [
        f"{path}:{function.lineno} {function.name}"
        for path in CODE
        for function in functions(tree_of(path))
        if function.returns is None and function.name != "__init__"
    ]
    assert not silent


def test_no_test_is_named_after_a_ticket():
    texts = {str(path): (ROOT / path).read_text(encoding="utf-8") for path in sources("tests")}
    assert not [
        path for path, text in texts.items() if re.search(r"def test_\w*(issue|ticket|bug)_?\d", text)
    ]
