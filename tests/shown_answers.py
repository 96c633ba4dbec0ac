"""Answers as the documentation shows them, shortened by `...`, compared with real ones."""

import json
import re
from datetime import datetime
from typing import Any

_MORE = "..."


def read_shown(text: str) -> Any:
    """JSON in which `...` may stand for members of an object, for elements of a list, or for a part of a text."""
    quoted = re.compile(r'"(?:[^"\\]|\\.)*"|\.\.\.')

    def marked(found: re.Match[str]) -> str:
        if found[0] != _MORE:
            return found[0]
        return f'"{_MORE}": null' if _innermost(text[: found.start()]) == "{" else f'"{_MORE}"'

    return json.loads(quoted.sub(marked, text))


def differences(shown: Any, real: Any, path: str = "") -> list[str]:
    """Where the real answer is not what is shown; empty if nowhere.

    Texts, whole numbers, true, false and null are compared. Of fractions, times and numbers in `id` only the kind is,
    and of a text with `...` what stands around it.
    """
    if isinstance(shown, dict) and isinstance(real, dict):
        return _of_objects(shown, real, path)
    if isinstance(shown, list) and isinstance(real, list):
        return _of_lists(shown, real, path)
    return [] if _alike(shown, real) else [f"{path}: shown {shown!r}, answered {real!r}"]


def _of_objects(shown: dict[str, Any], real: dict[str, Any], path: str) -> list[str]:
    names = set(shown) - {_MORE}
    found = [f"{path}.{name} is not in the answer" for name in sorted(names - set(real))]
    if _MORE not in shown:
        found += [f"{path}.{name} is not shown, and no ... either" for name in sorted(set(real) - names)]
    for name in sorted(names & set(real)):
        if name == "id" and isinstance(real[name], int):
            found += [] if isinstance(shown[name], int) else [f"{path}.id is a number"]
        else:
            found += differences(shown[name], real[name], f"{path}.{name}")
    return found


def _of_lists(shown: list[Any], real: list[Any], path: str) -> list[str]:
    elements = [each for each in shown if each != _MORE]
    if len(real) < len(elements) or (len(real) > len(elements) and _MORE not in shown):
        return [f"{path}: {len(elements)} elements shown, {len(real)} answered"]
    return [
        line
        for n, (one, other) in enumerate(zip(elements, real, strict=False))
        for line in differences(one, other, f"{path}[{n}]")
    ]


def _alike(shown: Any, real: Any) -> bool:
    if isinstance(shown, str) and isinstance(real, str):
        return _is_time(real) if _is_time(shown) else bool(re.fullmatch(_pattern(shown), real, re.DOTALL))
    if isinstance(shown, float):
        return isinstance(real, float)
    return type(shown) is type(real) and bool(shown == real)


def _pattern(shown: str) -> str:
    """An id or a digest is another one each time: of a text that ends in `...` only that there is one."""
    if re.fullmatch(r"[\w-]*\.\.\.", shown):
        return ".+"
    return ".*".join(re.escape(piece) for piece in shown.split(_MORE))


def _is_time(text: str) -> bool:
    try:
        return bool(datetime.fromisoformat(text)) and len(text) > len("2026-01-01")
    except ValueError:
        return False


def _innermost(text: str) -> str:
    """The bracket that is open at the end of the text."""
    open_ones: list[str] = []
    for sign in re.findall(r"[\[\]{}]", re.sub(r'"(?:[^"\\]|\\.)*"', '""', text)):
        if sign in "[{":
            open_ones.append(sign)
        else:
            open_ones.pop()
    return open_ones[-1] if open_ones else "["
