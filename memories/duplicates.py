"""Texts that say nearly the same. Pure.

Jaccard similarity of the sets of words (P. Jaccard, 1901): words in common over all words of both.
"""

import re
from collections.abc import Sequence

NEARLY = 0.8
# What a long text begins with tells it apart; more would only cost time.
CHARACTERS = 4000

_WORD = re.compile(r"\w+")


def repeats(texts: Sequence[str]) -> set[int]:
    """The places of texts that say nearly the same as one before them, which is not such a repeat itself."""
    kept: list[frozenset[str]] = []
    found = set()
    for place, text in enumerate(texts):
        words = frozenset(_WORD.findall(text[:CHARACTERS].lower()))
        if any(_nearly(words, other) for other in kept):
            found.add(place)
        else:
            kept.append(words)
    return found


def _nearly(words: frozenset[str], other: frozenset[str]) -> bool:
    one, two = len(words), len(other)
    if one < NEARLY * two or two < NEARLY * one or not one:
        return False
    common = len(words & other)
    return common >= NEARLY * (one + two - common)
