"""What an id chosen by a client may look like: tenant, conversation, user, agent and external ids."""

from django.core.exceptions import ValidationError

MAX_LENGTH = 255


def validate_identifier(value: str) -> None:
    """1 to 255 printable characters, no blank at either end; raises ValidationError otherwise.

    Printable refuses control characters (they forge log lines) and lone surrogates (no database takes them).
    """
    if not value or len(value) > MAX_LENGTH:
        raise ValidationError(f"Must have 1 to {MAX_LENGTH} characters.", code="length")
    if not value.isprintable() or value != value.strip():
        raise ValidationError("Must be printable text without blanks at the ends.", code="unprintable")


def validate_prefix(value: str) -> None:
    """The beginning of an identifier: as one, but it may end with a blank. Raises ValidationError otherwise."""
    validate_identifier(value.rstrip(" "))
    if len(value) > MAX_LENGTH:
        raise ValidationError(f"Must have 1 to {MAX_LENGTH} characters.", code="length")


def askable(text: str) -> str:
    """What somebody sent as a name, as PostgreSQL can be asked for it: without NUL, which no name has."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
