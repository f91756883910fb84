"""Reading pickles that nobody vouches for. Nothing in them is ever called: see ``machine`` for the
opcodes, ``admitted`` for what they may name, ``arrays`` for numbers that stay in the file until
they are asked for, and ``torchfile`` for torch's containers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from merbench.api.errors import DataError
from merbench.api.pickles.admitted import Refused
from merbench.api.pickles.arrays import Array, Kept, as_text
from merbench.api.pickles.machine import load
from merbench.api.pickles.torchfile import MAGIC, load_legacy, load_zip

__all__ = ["Array", "as_text", "unpickle"]


def unpickle(path: Path) -> Any:
    """What a pickle (protocols 0 to 5, also of Python 2) or a file of ``torch.save`` holds.

    Containers, numbers and strings (those of Python 2 as latin1) come as they are, numpy arrays and
    torch tensors as ``Array``, settings objects as dict. DataError, naming the file and the class
    or the fault, for anything else.
    """
    try:
        with path.open("rb") as file:
            if file.read(4) == b"PK\x03\x04":
                return load_zip(path)
            file.seek(0)
            kept = Kept(path)
            first = load(file, path.stat().st_size, kept)
            # `type` first: comparing may recurse through what a file holds.
            return load_legacy(path, file, kept) if type(first) is int and first == MAGIC else first
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error})") from None
    except Refused as error:
        raise DataError(
            f"{path} {error}; it was not loaded, because a pickle can run anything: "
            "save containers, numbers, strings and numpy arrays"
        ) from None
    except (
        ArithmeticError,
        LookupError,
        MemoryError,
        RecursionError,
        TypeError,
        ValueError,
        AttributeError,
        EOFError,
    ) as error:
        raise DataError(
            f"{path} is not a whole pickle ({str(error)[:120] or type(error).__name__}); "
            "copy or write it again"
        ) from None
