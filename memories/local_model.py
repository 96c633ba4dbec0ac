"""The files of the local model in wordllama's wheel: its tokenizer, one for each process, and its table, one for all.

The library itself is not imported: it would read the table into 32 MB of each process, and bring an HTTP client along.
"""

import json
import mmap
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MODEL = "l2_supercat"
DIMENSIONS = 256
TOKENIZER = f"tokenizers/{MODEL}_tokenizer_config.json"
TABLE = f"weights/{MODEL}_{DIMENSIONS}.safetensors"

Table = NDArray[np.int16]  # the bits of half-precision floats

_TENSOR = "embedding.weight"
_HALVES = "F16"
# All of it at once, as reading would: a question's tokens lie anywhere in it.
_WHOLE = getattr(mmap, "MAP_POPULATE", 0)
_SIGN_AND_NUMBER = -0x7000_2000  # without the copies of the sign that shifting leaves
_EXPONENT = np.float32(2.0**112)


class UnusableModel(Exception):
    """A file of it is not what it was."""


class NoModel(UnusableModel):
    """Its package is not installed."""


@cache
def tokenizer() -> Any:
    """Made once per process, in 70 ms. Raises UnusableModel.

    Nobody may change it: whoever makes vectors and whoever counts tokens have the same one, in all threads.
    """
    path = _file(TOKENIZER)
    try:
        from tokenizers import Tokenizer  # noqa: PLC0415 - installed with the provider `local` alone

        made = Tokenizer.from_file(str(path))
    except Exception as error:  # whatever is wrong with the file, the library raises a bare Exception
        raise UnusableModel(f"the local model's tokenizer cannot be loaded: {error}") from error
    # A "</s>" in somebody's text is text, for the model of a prompt as for the vectors.
    made.encode_special_tokens = True
    # It would remember 10,000 whole texts and their pieces in each thread, 30 MB and more, and be no faster.
    # The library has no other door to that. Tests see that it is one.
    made.model._resize_cache(0)
    return made


def table() -> Table:
    """A row for each token, in the system's file cache: all processes have the same pages. Raises UnusableModel."""
    try:
        with _file(TABLE).open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_SHARED | _WHOLE, prot=mmap.PROT_READ)
        return _tensor(mapped)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnusableModel(f"the local model's table cannot be read: {error}") from error


def summed(table: Table, tokens: Sequence[int]) -> NDArray[np.float32]:
    """The sum of the tokens' rows, in single floats, the same as of a table of single floats.

    NumPy's own way from halves takes four times as long. Of a half's bits, moved to a single's places, the exponent is
    2**112 too small, and nothing else differs: for subnormal ones too, not for infinities, of which it has none.
    """
    bits = table.take(tokens, axis=0).astype(np.int32)
    bits <<= 13
    bits &= _SIGN_AND_NUMBER
    total: NDArray[np.float32] = bits.view(np.float32).sum(axis=0) * _EXPONENT
    return total


def _tensor(mapped: mmap.mmap) -> Table:
    """Of a safetensors file: eight bytes with the length of a JSON, which says where what lies behind it."""
    begins = 8 + int.from_bytes(mapped[:8], "little")
    said = json.loads(mapped[8:begins])[_TENSOR]
    if said["dtype"] != _HALVES:
        raise ValueError(f"it has {said['dtype']}, not {_HALVES}")
    first, end = said["data_offsets"]
    numbers = np.frombuffer(mapped, dtype="<i2", count=(end - first) // 2, offset=begins + first)
    return numbers.reshape(said["shape"])


def _file(name: str) -> Path:
    spec = find_spec("wordllama")
    if spec is None or spec.origin is None or find_spec("tokenizers") is None:
        raise NoModel("wordllama is missing: install requirements/local.txt")
    return Path(spec.origin).parent / name
