"""Texts that say nearly the same. Pure.

Jaccard similarity of the sets of words (P. Jaccard, 1901): words in common over all words of both.
"""

import re
from collections.abc import Sequence

NEARLY = 0.8
# What a long text begins with tells it apart; more would only cost time.
CHARACTERS = 4000

_WORD = re.compile(r"\w+")
# The same for texts of ASCII in half the time: all else becomes a blank.
_ASCII = "".join(chr(code) if _WORD.match(chr(code)) else " " for code in range(128))


def repeats(texts: Sequence[str]) -> set[int]:
    """The places of texts that say nearly the same as one before them, which is not such a repeat itself."""
    kept: list[frozenset[str]] = []
    found = set()
    for place, text in enumerate(texts):
        words = _words(text[:CHARACTERS].lower())
        if _is_repeat(words, kept):
            found.add(place)
        else:
            kept.append(words)
    return found


def _words(text: str) -> frozenset[str]:
    return frozenset(text.translate(_ASCII).split() if text.isascii() else _WORD.findall(text))


def _is_repeat(words: frozenset[str], kept: Sequence[frozenset[str]]) -> bool:
    """One loop, without a call for each pair: every search compares some thirty."""
    one = len(words)
    least = NEARLY * one
    for other in kept:
        two = len(other)
        if two >= least and one >= NEARLY * two and one:
            common = len(words & other)
            if common >= NEARLY * (one + two - common):
                return True
    return False
