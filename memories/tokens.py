"""How many tokens a text takes in a prompt: exact for one tokenizer where it is installed, estimated on the safe side
otherwise.

No tokenizer is every model's. The local one has 32,000 tokens, so models with larger vocabularies need fewer for
ordinary text; which of the two counts was used is said with every answer.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import structlog

from memories import local_model
from memories.local_model import NoModel, UnusableModel

log = structlog.get_logger(__name__)

LETTERS_PER_TOKEN = 3

_WORDS = re.compile(r"[A-Za-z ]+")


class TokenCounter(NamedTuple):
    """A way to count, and whether it is a tokenizer's own."""

    count: Callable[[str], int]
    exact: bool
    longest: int  # characters of the longest token: a text takes at least len(text) / longest


def estimated(text: str) -> int:
    """A third of the ASCII letters and blanks; one for each digit, sign and line end; for others their UTF-8 bytes - 1.

    Never below ceil(UTF-8 bytes / 3). English takes a quarter of its letters; digits and signs stand alone in many
    vocabularies, and rare characters fall apart into their bytes.
    """
    words = sum(map(len, _WORDS.findall(text)))
    size = len(text.encode())
    wide = 0 if text.isascii() else sum(character > "\x7f" for character in text)
    return -(-words // LETTERS_PER_TOKEN) + size - words - wide


@cache
def token_counter() -> TokenCounter:
    """By the local model's tokenizer, if it is there; else the estimate. Found out once per process."""
    try:
        tokenizer = local_model.tokenizer()
    except NoModel:
        return ESTIMATE
    except UnusableModel as error:
        log.warning("tokenizer_unusable", error=str(error))
        return ESTIMATE

    def count(text: str) -> int:
        return len(tokenizer.encode_batch_fast([text], add_special_tokens=False)[0].ids)

    longest = max(len(tokenizer.id_to_token(token)) for token in range(tokenizer.get_vocab_size()))
    return TokenCounter(count, exact=True, longest=longest)


ESTIMATE = TokenCounter(estimated, exact=False, longest=LETTERS_PER_TOKEN)
