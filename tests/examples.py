"""The examples of docs/examples.md, run as a reader would: the shell's by a shell with curl, Python's by Python."""

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PAGE = (Path(__file__).parents[1] / "docs" / "examples.md").read_text(encoding="utf-8")
_PARTS = re.compile(r"^```(\w+)\n(.*?)^```$|`\$([A-Z]+)` is its\s+`(\w+)`", re.MULTILINE | re.DOTALL)
_SETUP = re.compile(r"^\.venv/bin/python manage\.py (.+)$", re.MULTILINE)
_PROMISED = re.compile(r"  # -> (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Part:
    """A block of the page, or (`kind` "name") a sentence that names a field of the last answer."""

    kind: str
    text: str


def parts(page: str = PAGE) -> Iterator[Part]:
    """All of them in the page's order."""
    for kind, text, variable, name in _PARTS.findall(page):
        yield Part(kind, text) if kind else Part("name", f"{variable}={name}")


def readme_parts() -> Iterator[Part]:
    """The calls of the README and what it shows of their answers, for a shell that has $URL."""
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    for block in re.findall(r"^(?: {4}.*\n)+", readme, re.MULTILINE):
        if block.lstrip().startswith("curl"):
            yield Part("bash", block.replace("'localhost:8000", '"$URL"\'').replace("localhost:8000", "$URL"))
        elif block.lstrip().startswith("{"):
            yield Part("json", block)


def set_up_commands() -> list[list[str]]:
    """What is said to be typed before the first call: arguments of manage.py."""
    return [shlex.split(line) for line in _SETUP.findall(PAGE)]


def is_set_up(part: Part) -> bool:
    """Whether it is what is typed before the first call."""
    return bool(_SETUP.search(part.text))


@dataclass
class Shell:
    """Runs what is in `bash` blocks, with the variables that a reader would have set; what the last call printed."""

    home: Path
    variables: dict[str, str]
    kind = "bash"
    answer: Any = None
    headers: str = ""  # that were shown, of all answers
    always: tuple[str, ...] = ()  # headers of every request

    def run(self, text: str) -> None:
        """Really, by bash and curl; the shell's own failure is a failed test."""
        settings = "silent\nshow-error\nmax-time = 30\n" + "".join(
            f'header = "{each}"\n' for each in self.always
        )
        (self.home / ".curlrc").write_text(settings, encoding="utf-8")
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.home)} | self.variables
        done = subprocess.run(
            ["bash", "-euc", text], cwd=self.home, env=environ, capture_output=True, text=True, timeout=100
        )
        assert done.returncode == 0, done.stderr
        self.answer = last_document(done.stdout)
        self.headers += done.stderr

    def name(self, variable: str, name: str) -> None:
        """Set the variable, as the page tells the reader to."""
        self.variables[variable] = str(self.answer[name])


@dataclass
class Python:
    """Runs what is in `python` blocks, one after the other in one module; what the last `call` returned or raised."""

    variables: dict[str, str]
    kind = "python"
    answer: Any = None
    module: dict[str, Any] = field(default_factory=dict)

    def run(self, text: str) -> None:
        """What `# -> text` says must have been printed."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile(text, "docs/examples.md", "exec"), self.module)
        assert said.getvalue().splitlines() == _PROMISED.findall(text)
        if "def call(" in text:
            self.module["call"] = self._noted(self.module["call"])

    def name(self, variable: str, name: str) -> None:
        """Names are for the shell."""

    def _noted(self, call: Any) -> Any:
        def noted(*given: Any, **named: Any) -> Any:
            try:
                self.answer = call(*given, **named)
            except self.module["Refused"] as refused:
                [self.answer] = refused.args
                raise
            return self.answer

        return noted


def last_document(text: str) -> Any:
    """Of JSON documents one after the other; None if there is none."""
    decoder, found, at = json.JSONDecoder(), None, 0
    while at < len(text):
        if text[at] in "{[":
            found, at = decoder.raw_decode(text, at)
        else:
            at += 1
    return found
