"""What counts as saying nearly the same."""

import pytest

from memories.duplicates import repeats

SENTENCE = "one two three four five six seven eight nine ten"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([SENTENCE, SENTENCE.upper() + "!"], {1}),
        ([SENTENCE, SENTENCE.replace("ten", "eleven")], {1}),  # 9 of 11 words: 0.82
        ([SENTENCE, SENTENCE.replace("nine ten", "x y")], set()),  # 8 of 12: 0.67
        (["I live in Rome", "I live in Oslo"], set()),  # 3 of 5
        (["a", "b", "a", "a"], {2, 3}),
        (["", "", "!?"], set()),
        ([], set()),
    ],
)
def test_it_works(texts, expected):
    assert repeats(texts) == expected


def test_long_texts_are_told_apart_by_how_they_begin():
    assert repeats(["start " + "x " * 40_000, "other " + "y " * 40_000]) == set()
