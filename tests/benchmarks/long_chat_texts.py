"""What the made-up chats with long answers are made of, read from `texts/`.

facts.txt: blocks of `field: alternative | alternative`. sentences.txt: a heading, then a sentence a line.
topics.txt: `name: things; tips`.
"""

from dataclasses import dataclass
from pathlib import Path

_TEXTS = Path(__file__).parent / "texts"


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One sort of fact; every field is a tuple of alternatives."""

    kind: str  # personal, pasted, advised, changing
    values: tuple[str, ...]
    told: tuple[str, ...]  # `*` stands for the value
    asked: tuple[str, ...]  # worded otherwise
    noise: tuple[str, ...]  # mentions the same thing and tells nothing
    about: tuple[str, ...] = ()  # what a passage of a long text that tells it is about


@dataclass(frozen=True)
class Topic:
    """What an answer is about: the things that its sentences name, and tips for numbered lists."""

    name: str
    things: tuple[str, ...]
    tips: tuple[str, ...]


def _read(name: str) -> str:
    return (_TEXTS / name).read_text(encoding="utf-8").strip()


def _fact(block: str) -> Fact:
    fields = dict(line.split(": ", 1) for line in block.splitlines())
    return Fact(kind=fields.pop("kind"), **{name: tuple(text.split(" | ")) for name, text in fields.items()})


def _topic(line: str) -> Topic:
    name, rest = line.split(": ", 1)
    things, tips = rest.split("; ")
    return Topic(name, tuple(things.split(", ")), tuple(tips.split(", ")))


def _sections(text: str) -> dict[str, tuple[str, ...]]:
    blocks = (block.splitlines() for block in text.split("\n\n"))
    return {heading.removeprefix("# "): tuple(lines) for heading, *lines in blocks}


FACTS = tuple(_fact(block) for block in _read("facts.txt").split("\n\n"))
TOPICS = tuple(_topic(line) for line in _read("topics.txt").splitlines())
SENTENCES = _sections(_read("sentences.txt"))
