"""Reading LoCoMo's format: long conversations between two people, and questions with their evidence. Pure.

Source of the format: Maharana et al., "Evaluating Very Long-Term Conversational Memory of LLM Agents", ACL 2024.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

_SESSION = re.compile(r"session_(\d+)")
_TURN = re.compile(r"D\d+:\d+")
_DATE_FORMAT = "%I:%M %p on %d %B, %Y"
# The data set dates sessions, not turns.
SECONDS_BETWEEN_TURNS = 30


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One thing said; `id` is the data set's dia_id."""

    id: str
    speaker: str
    text: str
    said_at: datetime


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question and the turns that answer it."""

    text: str
    evidence: frozenset[str]
    category: int


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """A conversation with its questions."""

    id: str
    turns: tuple[Turn, ...]
    questions: tuple[Question, ...]


def read(path: Path) -> list[Conversation]:
    """All conversations of a file; ValueError with a sentence if it is not of this format."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(rows, list):
            raise TypeError("not a list of conversations")
        return [_conversation(row, index) for index, row in enumerate(rows)]
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not in LoCoMo's format: {type(error).__name__} {error}") from error


def _conversation(row: Mapping[str, Any], index: int) -> Conversation:
    turns = tuple(_turns(row["conversation"]))
    known = {turn.id for turn in turns}
    questions = [_question(each, known) for each in row["qa"]]
    return Conversation(
        id=str(row.get("sample_id", index)),
        turns=turns,
        questions=tuple(question for question in questions if question.evidence),
    )


def _turns(conversation: Mapping[str, Any]) -> Iterator[Turn]:
    sessions = sorted((int(match[1]), key) for key in conversation if (match := _SESSION.fullmatch(key)))
    for _, key in sessions:
        started = datetime.strptime(conversation[f"{key}_date_time"], _DATE_FORMAT).replace(tzinfo=UTC)
        for place, turn in enumerate(conversation[key]):
            said_at = started + timedelta(seconds=SECONDS_BETWEEN_TURNS * place)
            yield Turn(id=turn["dia_id"], speaker=turn["speaker"], text=_text(turn), said_at=said_at)


def _text(turn: Mapping[str, Any]) -> str:
    """What was said, and what the picture showed that was sent with it."""
    caption = turn.get("blip_caption")
    return f"{turn['text']} [picture: {caption}]" if caption else str(turn["text"])


def _question(row: Mapping[str, Any], known: set[str]) -> Question:
    evidence = _TURN.findall(" ".join(row.get("evidence", [])))
    return Question(
        text=str(row["question"]), evidence=frozenset(evidence) & known, category=int(row["category"])
    )
