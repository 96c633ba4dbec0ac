"""How many tokens a text takes in a prompt: exact for one tokenizer where it is installed, estimated on the safe side
otherwise.

No tokenizer is every model's. The local one has 32,000 tokens, so models with larger vocabularies need fewer for
ordinary text; which of the two counts was used is said with every answer.
"""

import re
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import structlog

log = structlog.get_logger(__name__)

TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
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
    """The tokenizer in the package of the provider `local`, or the estimate. Loaded once per process: 70 ms, 23 MB."""
    spec = find_spec("wordllama")
    if spec is None or spec.origin is None or find_spec("tokenizers") is None:
        return ESTIMATE
    try:
        return _of_file(Path(spec.origin).parent / TOKENIZER)
    except Exception as error:  # whatever is wrong with the file, the library raises a bare Exception
        log.warning("tokenizer_unusable", error=str(error))
        return ESTIMATE


def _of_file(path: Path) -> TokenCounter:
    from tokenizers import Tokenizer  # noqa: PLC0415 - installed with the provider `local` alone

    tokenizer: Any = Tokenizer.from_file(str(path))
    # Otherwise a "</s>" in somebody's message counts as one token, and as four for a model that takes it for text.
    tokenizer.encode_special_tokens = True
    # It would remember 10,000 texts in each thread, as in `embeddings.local`.
    tokenizer.model._resize_cache(0)

    def count(text: str) -> int:
        return len(tokenizer.encode(text, add_special_tokens=False).ids)

    return TokenCounter(count, exact=True, longest=max(map(len, tokenizer.get_vocab())))


ESTIMATE = TokenCounter(estimated, exact=False, longest=LETTERS_PER_TOKEN)
