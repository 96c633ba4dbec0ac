"""`python -m memory_layer.env_docs`: docs/configuration.md, made of what the settings are and what .env.example says.

Names, defaults and ranges come from `env.py`, sections and sentences from `.env.example`. A test compares the page with
what this prints.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from memory_layer import env

EXAMPLE = Path(__file__).resolve().parent.parent / ".env.example"
INTRODUCTION = """# Configuration

Made by `python -m memory_layer.env_docs`; a test compares. Everything is an environment variable; `make run` and
`manage.py` also read `.env` (copy `.env.example`), and what the environment says wins. A wrong value or an unknown
`MEMORY_*` name stops the start with a sentence that names it.

Each variable can also be given as `NAME_FILE`, the path of a file with the value, as Docker and Kubernetes mount
secrets: `MEMORY_SECRET_KEY_FILE=/run/secrets/secret-key`. Lists are separated by commas. A tenant's own settings
(weights, limits, language, retention) go before those of the installation.

With `MEMORY_ENV=production` the start is refused without `MEMORY_SECRET_KEY`, without `MEMORY_API_KEYS`, with
`MEMORY_OPEN_ACCESS` and with `*` in `MEMORY_ALLOWED_HOSTS`.
"""
_LINE = re.compile(r"#?([A-Z][A-Z_0-9]*)=(.*)")


@dataclass
class Section:
    """A part of `.env.example`: its title, what is said after it, and each variable with the sentences above it."""

    title: str
    remarks: list[str]
    variables: dict[str, str] = field(default_factory=dict)


def main() -> None:
    """Print the page."""
    print(page(EXAMPLE.read_text(encoding="utf-8")), end="")  # noqa: T201


def page(example: str) -> str:
    """The whole of docs/configuration.md."""
    fields = env.variable_names()
    parts = [INTRODUCTION]
    for section in sections(example):
        parts += [
            f"## {section.title}\n",
            *section.remarks,
            "| variable | default | takes | |\n|---|---|---|---|",
        ]
        for variable, text in section.variables.items():
            known = env.Env.model_fields[fields[variable]]
            parts.append(f"| `{variable}` | {default_of(known)} | {values_of(known)} | {_cell(text)} |")
        parts[-1] += "\n"
    return "\n".join(parts).rstrip("\n") + "\n"


def sections(example: str) -> list[Section]:
    """The sections in order. A comment belongs to the variable under it; one after a blank line begins anew."""
    found: list[Section] = []
    said: list[str] = []
    for line in example.splitlines():
        if title := re.fullmatch(r"# --- (.*?) ---", line):
            name, *remarks = title[1].split("; ")
            found.append(
                Section(_sentence(name), [f"{_sentence(_links('; '.join(remarks)))}.\n"] if remarks else [])
            )
            said = []
        elif variable := _LINE.fullmatch(line):
            found[-1].variables[variable[1]] = " ".join(said)
            said = []
        else:
            said = [*said, line.removeprefix("# ")] if line.startswith("# ") else []
    return found


def default_of(known: FieldInfo) -> str:
    """As it would be written; empty for nothing, for secrets and for what depends on the machine."""
    value = known.default
    if known.default_factory or value is None or value == [] or value == "" or isinstance(value, SecretStr):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{','.join(value) if isinstance(value, list) else value}`"


def values_of(known: FieldInfo) -> str:
    """What is accepted: the choices, or the kind with its range."""
    kind = _plain(known.annotation)
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" if choice else "empty" for choice in get_args(kind))
    names = {
        bool: "`true` or `false`",
        int: "whole number",
        float: "number",
        Path: "directory",
        SecretStr: "secret",
    }
    if get_origin(kind) is list:
        what = "secrets" if SecretStr in get_args(kind) else "list"
    else:
        what = names.get(kind, "text")
    return f"{what}{_range(known)}"


def _plain(annotation: Any) -> Any:
    """The type without its None; of several the first."""
    if get_origin(annotation) in (Union, UnionType):
        return next(kind for kind in get_args(annotation) if kind is not NoneType)
    return annotation


def _range(known: FieldInfo) -> str:
    bounds = {
        name: getattr(rule, name)
        for rule in known.metadata
        for name in ("ge", "gt", "le")
        if hasattr(rule, name)
    }
    if not bounds:
        return ""
    low = f"above {bounds['gt']:,}" if "gt" in bounds else f"{bounds['ge']:,}"
    return f", {low} to {bounds['le']:,}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _links(text: str) -> str:
    """To the pages beside this one."""
    return re.sub(r"docs/(\w+)\.md", r"[\1.md](\1.md)", text)


def _cell(text: str) -> str:
    """One line of a table."""
    return _links(text).replace("|", "\\|")


if __name__ == "__main__":
    main()
