"""Reading data sets for `evaluate`: conversations, and questions with the turns that answer them. Pure.

The format is LoCoMo's (Maharana et al., "Evaluating Very Long-Term Conversational Memory of LLM Agents", ACL 2024),
a list of conversations in sessions, and more general in three points: a turn may carry the `role` of the chat APIs,
may lack a speaker, and a question's category may be a name.
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
# LoCoMo's categories are numbers.
_CATEGORIES = {"1": "multi-hop", "2": "temporal", "3": "open-domain", "4": "single-hop", "5": "adversarial"}
# The conversation does not answer these: there is nothing to find.
_UNANSWERABLE = frozenset({"adversarial"})
_ROLES = frozenset({"user", "assistant", "system", "tool"})


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One thing said; `id` is the data set's dia_id, `speaker` may be empty."""

    id: str
    role: str
    speaker: str
    text: str
    said_at: datetime


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question and the turns that answer it; not `answerable`: those that a figure should not count."""

    text: str
    evidence: frozenset[str]
    category: str
    answerable: bool


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """A conversation with its questions."""

    id: str
    turns: tuple[Turn, ...]
    questions: tuple[Question, ...]


def read(path: Path) -> list[Conversation]:
    """All conversations of a file; ValueError with a sentence if it is not of this format."""
    try:
        return parse(json.loads(path.read_text(encoding="utf-8")))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} is not in LoCoMo's format: {type(error).__name__} {error}") from error


def parse(rows: Any) -> list[Conversation]:
    """The same from what a file holds; KeyError, TypeError, AttributeError or ValueError if it is another format."""
    if not isinstance(rows, list):
        raise TypeError("not a list of conversations")
    return [_conversation(row, index) for index, row in enumerate(rows)]


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
            yield Turn(
                id=turn["dia_id"],
                role=_role(turn),
                speaker=turn.get("speaker", ""),
                text=_text(turn),
                said_at=started + timedelta(seconds=SECONDS_BETWEEN_TURNS * place),
            )


def _role(turn: Mapping[str, Any]) -> str:
    role = turn.get("role", "user")
    if role not in _ROLES:
        raise ValueError(f"role {role!r} of turn {turn['dia_id']}")
    return str(role)


def _text(turn: Mapping[str, Any]) -> str:
    """What was said, and what the picture showed that was sent with it."""
    caption = turn.get("blip_caption")
    return f"{turn['text']} [picture: {caption}]" if caption else str(turn["text"])


def _question(row: Mapping[str, Any], known: set[str]) -> Question:
    evidence = _TURN.findall(" ".join(row.get("evidence", [])))
    category = _CATEGORIES.get(str(row["category"]), str(row["category"]))
    return Question(
        text=str(row["question"]),
        evidence=frozenset(evidence) & known,
        category=category,
        answerable=category not in _UNANSWERABLE,
    )
