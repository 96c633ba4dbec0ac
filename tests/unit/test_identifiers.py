"""What an id chosen by a client may look like."""

import pytest
from django.core.exceptions import ValidationError

from tenants.identifiers import MAX_LENGTH, validate_identifier


@pytest.mark.parametrize(
    "value", ["a", "conv-1", "Ünïcode 日本 🧠", "a b", "user@example.com/7", "x" * MAX_LENGTH]
)
def test_it_works(value):
    validate_identifier(value)


@pytest.mark.parametrize("value", ["", "x" * (MAX_LENGTH + 1)])
def test_a_wrong_length_is_refused(value):
    with pytest.raises(ValidationError, match="1 to 255 characters"):
        validate_identifier(value)


@pytest.mark.parametrize(
    "value",
    [
        " a",
        "a ",
        "\ta",
        "a\n",
        "a\nb",
        "a\0b",
        "\x1b[31m",
        "a\x7f",
        "\u200b",
        "\u202e",
        "a\u00a0",
        "\ud800",
        "\u2028",
    ],
    ids=ascii,
)
def test_what_cannot_be_seen_is_refused(value):
    with pytest.raises(ValidationError, match="printable text"):
        validate_identifier(value)
