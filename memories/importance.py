"""How much a message matters, scored once at ingest from its role and its words. Pure.

The formula, a narrow band around a neutral 0.5 (source: our measurements on three public sets of chats, see
docs/ranking.md; a term for length was tried and does harm on long answers, so there is none):

    importance = 0.5
               - 0.2  fewer than 6 words
               - 0.1  a question of fewer than 40 words
               + 0.1  first person together with a number, a time expression or a life-fact word
               - 0.1  not the user's own words (assistant, system, tool)

clamped to 0..1. An explicit value given by the client replaces it.
"""

import re
from dataclasses import dataclass

NEUTRAL = 0.5
SHORT_WORDS = 6
SHORT_QUESTION_WORDS = 40
SHORT, QUESTION, PERSONAL_FACT, NOT_THE_USER = -0.2, -0.1, 0.1, -0.1

_FIRST_PERSON = re.compile(r"\b(i|i'm|i've|i'd|i'll|im|me|my|mine|myself|we|we're|we've|our|ours|us)\b", re.I)
_NUMBER = re.compile(r"\d")
_TIME = re.compile(
    r"\b(yesterday|today|tonight|tomorrow|ago|last|next|since|morning|evening|weekend|week|month|year|summer|winter"
    r"|spring|autumn|monday|tuesday|wednesday|thursday|friday|saturday|sunday|january|february|march|april|june"
    r"|july|august|september|october|november|december|birthday|anniversary)s?\b",
    re.I,
)
_LIFE_FACT = re.compile(
    r"\b(love|like|enjoy|hate|prefer|favou?rite|allergic|allergy|vegan|vegetarian|mov(?:e|ed|ing)|marr(?:y|ied)"
    r"|divorced|engaged|born|live|work|job|career|hired|fired|quit|graduated|stud(?:y|ied|ying)|school|college"
    r"|name|called|always|never|remember|forget|bought|adopted|diagnosed|pregnant|retired|mother|mom|father|dad"
    r"|wife|husband|partner|girlfriend|boyfriend|son|daughter|kids?|child|children|brother|sister|family|friend"
    r"|dog|cat|pet|hobby|goal|dream|plan|started|joined|signed)s?d?\b",
    re.I,
)


@dataclass(frozen=True, kw_only=True)
class Importance:
    """A value from 0 to 1 and the signals that made it, by name and amount."""

    value: float
    signals: tuple[tuple[str, float], ...]


def score(*, role: str, content: str, word_count: int) -> Importance:
    """Importance of a message without an explicit value. `role` as in the API; `word_count` of `content`."""
    signals = tuple(_signals(role, content, word_count))
    total = NEUTRAL + sum(amount for _, amount in signals)
    return Importance(value=round(min(1.0, max(0.0, total)), 4), signals=signals)


def count_words(content: str) -> int:
    """Words separated by white space."""
    return len(content.split())


def _signals(role: str, content: str, words: int) -> list[tuple[str, float]]:
    found = []
    if words < SHORT_WORDS:
        found.append(("short", SHORT))
    if words < SHORT_QUESTION_WORDS and content.rstrip().endswith("?"):
        found.append(("question", QUESTION))
    if _is_personal_fact(content):
        found.append(("personal_fact", PERSONAL_FACT))
    if role != "user":
        found.append(("not_the_user", NOT_THE_USER))
    return found


def _is_personal_fact(content: str) -> bool:
    fact = _NUMBER.search(content) or _TIME.search(content) or _LIFE_FACT.search(content)
    return bool(fact and _FIRST_PERSON.search(content))
