"""Reading a question: who is meant, and how the one who answered would have put it. Pure.

People say "I went hiking", and are asked for as "When did Ann go hiking?". Putting the question into the named
person's own words before embedding it doubles recall on conversations between named people (docs/ranking.md).
"""

import re
from collections.abc import Collection

MAX_BYTES = 8 * 1024

_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
_POSSESSIVE = ("'s", "’s")
# Names that are everyday words: taken for a name only with a capital that is not the sentence's first.
_ALSO_WORDS = frozenset(
    """
    will may mark rose grace hope faith joy art bill drew frank jack june april august sky summer dawn eve pat rob sue
    ray miles chase angel king prince max user assistant system tool i a the what who when where why how did does do
    is are was were has have can could would should
    """.split()  # noqa: SIM905 - a list of ninety literals would be harder to read
)


def possible_names(text: str) -> list[str]:
    """The words, in lower case and without a possessive, that may be the first word of somebody's name."""
    found = (_name_in(match, text) for match in _WORD.finditer(text))
    return sorted({name for name in found if name})


def in_first_person(text: str, names: Collection[str]) -> str:
    """The text with every named person as the speaker: "Ann's dog" is "my dog", "Ann" is "I"."""
    if not names:
        return text

    def replace(match: re.Match[str]) -> str:
        if _name_in(match, text) not in names:
            return match.group()
        return "my" if match.group().endswith(_POSSESSIVE) else "I"

    return _WORD.sub(replace, text)


def _name_in(match: re.Match[str], text: str) -> str:
    word = match.group()
    for ending in _POSSESSIVE:
        word = word.removesuffix(ending)
    everyday = word.lower() in _ALSO_WORDS
    if everyday and (not word[0].isupper() or not text[: match.start()].strip()):
        return ""
    return word.lower()
