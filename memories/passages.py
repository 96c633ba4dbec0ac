"""A long text in passages, each with a vector of its own: one vector for a thousand words says little of any of them.

Pure. Lengths are counted in words; where a script puts no spaces between them, two ideographs or five letters count as
one, and so do forty characters of anything else without a space (a URL, an encoded file).
"""

import re
from bisect import bisect_left, bisect_right
from itertools import pairwise

LONG_WORDS = 180
PASSAGE_WORDS = 120
# With the whole text's own vector 32 parts: what small embedding servers take in one call.
MAX_PASSAGES = 31
# A passage ends at the best place within this share of its length around where it should.
_LEEWAY = 0.3

_IDEOGRAPHS = r"\u2e80-\u2fff\u3005-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
_WORD = re.compile(rf"[{_IDEOGRAPHS}]{{1,2}}|[{_UNSPACED}]{{1,5}}|[^\s{_IDEOGRAPHS}{_UNSPACED}]{{1,40}}")
# Where a passage may end, best first.
_ENDS = (
    re.compile(r"\n[^\S\n]*\n\s*"),
    re.compile(r"\n"),
    re.compile(r"[.!?…][\"')\]»”’]*\s|[。！？][」』”]?"),
    re.compile(r"\s+"),
)


def passages(text: str) -> list[str]:
    """The text's passages in order, of about 120 words, all alike long; none for a text of at most 180 words.

    Of more than 3,720 words the passages are longer, not more.
    """
    starts = [match.start() for match in _WORD.finditer(text)]
    if len(starts) <= LONG_WORDS:
        return []
    count = min(MAX_PASSAGES, -(-len(starts) // PASSAGE_WORDS))
    ends = [[match.end() for match in pattern.finditer(text)] for pattern in _ENDS]
    size = len(starts) / count
    cuts = [_cut(starts, ends, wanted=size * number, leeway=size * _LEEWAY) for number in range(1, count)]
    bounds = [0, *cuts, len(text)]
    return [text[start:end].strip() for start, end in pairwise(bounds)]


def _cut(starts: list[int], ends: list[list[int]], *, wanted: float, leeway: float) -> int:
    """The best end within the leeway around the wanted word, the nearest among equals; in need, amid a word."""
    ideal = starts[round(wanted)]
    earliest, latest = starts[round(wanted - leeway)], starts[round(wanted + leeway)]
    for places in ends:
        within = places[bisect_left(places, earliest) : bisect_right(places, latest)]
        if within:
            return min(within, key=lambda place: abs(place - ideal))
    return ideal
