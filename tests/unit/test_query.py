"""Who a question means, and how that person would have put it."""

import pytest

from memories.query import in_first_person, possible_names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("When did Ann go hiking?", {"ann"}),
        ("what is ann's dog called", {"ann"}),
        ("What did Mary-Jane say?", {"mary-jane"}),
        ("Will it rain?", set()),  # the first word has its capital anyway
        ("Where did Will go?", {"will"}),
        ("may I ask", set()),
    ],
)
def test_names_are_seen(text, expected):
    assert expected <= set(possible_names(text))
    assert not {"will", "may"} & (set(possible_names(text)) - expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("When did Ann go hiking?", "When did I go hiking?"),
        ("What is Ann's dog called?", "What is my dog called?"),
        ("What is Ann’s dog called?", "What is my dog called?"),
        ("Is Annabel here?", "Is Annabel here?"),
    ],
)
def test_the_named_person_speaks(text, expected):
    assert in_first_person(text, {"ann"}) == expected
