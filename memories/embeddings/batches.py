"""What one call to OpenAI's embeddings API may hold, and how more is split over several.

Tokens are estimated, because the tokenizers' files would have to be downloaded: a third of the UTF-8 bytes is above
what ordinary text needs (English: a quarter, Chinese: a third).
"""

from collections.abc import Iterator, Sequence

MAX_INPUTS = 2048
MAX_TEXT_TOKENS = 8192
MAX_CALL_TOKENS = 300_000
BYTES_PER_TOKEN = 3
# A token is at least one byte, so that this much is below the limit whatever it says.
CERTAIN_BYTES = MAX_TEXT_TOKENS - 1


def estimated_tokens(text: str) -> int:
    """ceil(UTF-8 bytes / 3)."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def split(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts in order, in batches that one call may hold.

    A text above the model's limit is cut, not refused: the vector of its first 24 kB finds it, none does not, and the
    whole of it stays findable by words.
    """
    batch: list[str] = []
    tokens = 0
    for text in map(cut, texts):
        needed = estimated_tokens(text)
        if batch and (len(batch) == MAX_INPUTS or tokens + needed > MAX_CALL_TOKENS):
            yield batch
            batch, tokens = [], 0
        batch.append(text)
        tokens += needed
    if batch:
        yield batch


def cut(text: str, max_bytes: int = MAX_TEXT_TOKENS * BYTES_PER_TOKEN) -> str:
    """The text's head of at most that many UTF-8 bytes, never ending inside a character."""
    encoded = text.encode()
    return text if len(encoded) <= max_bytes else encoded[:max_bytes].decode(errors="ignore")
