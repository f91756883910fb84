"""Reading untrusted pickles. Nothing in them is ever called: see ``machine`` for the
opcodes, ``admitted`` for what they may name, ``arrays`` for numbers that stay in the file until
they are asked for, and ``torchfile`` for torch's containers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from merbench.api.errors import DataError
from merbench.api.pickles.arrays import Array, Kept, as_text
from merbench.api.pickles.budget import Budget, NotWhole, Refused
from merbench.api.pickles.npz import unpickle_npz
from merbench.api.pickles.reader import load
from merbench.api.pickles.torchfile import MAGIC, load_legacy, load_zip

__all__ = ["Array", "as_text", "unpickle", "unpickle_npz"]


def unpickle(path: Path) -> Any:
    """What a pickle (protocols 0 to 5, also of Python 2) or a file of ``torch.save`` holds.

    Containers, numbers and strings (those of Python 2 as latin1) come as they are, numpy arrays and
    torch tensors as ``Array``, settings objects as dict. DataError, naming the file and the class
    or the fault, for anything else.
    """
    try:
        size = path.stat().st_size
        budget = Budget(size)
        with path.open("rb") as file:
            if file.read(4) == b"PK\x03\x04":
                return load_zip(path, budget)
            file.seek(0)
            kept = Kept(path)
            first = load(file, size, kept, budget)
            # `type` first: comparing may recurse through what a file holds.
            if type(first) is int and first == MAGIC:
                return load_legacy(path, file, kept, budget)
            return first
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error})") from None
    except Refused as error:
        raise DataError(
            f"{path} {error}; it was not loaded, because a pickle can run anything: "
            "save containers, numbers, strings and numpy arrays"
        ) from None
    except Exception as error:
        # Only texts of ours: those of Python's own errors may hold what the file does.
        reason = str(error) if type(error) is NotWhole else type(error).__name__
        raise DataError(
            f"{path} is not a whole pickle ({reason}); copy or write it again"
        ) from None
