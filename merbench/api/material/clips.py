"""Raw clips as an encoder's input. Nothing is decoded before it is asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from merbench.api.errors import MerbenchError
from merbench.api.first_line import typed
from merbench.api.media.decoded import Decoded, Shares
from merbench.api.media.track import decoder
from merbench.api.system_errors import is_shortage

if TYPE_CHECKING:
    from torch import Tensor

    from merbench.api.material.rows import TextRows

CUT_SHORT, WITHOUT = "clips_cut_short", "clips_without"
"""What is counted: clips of which a part was decoded, and clips of which nothing was."""


class ClipRows:
    """A split's clips as an encoder's ``prepare()`` returns them: ``rows[rows_B]`` decodes those
    clips and makes the encoder's input; ``decode(row)`` and ``make`` do so in two steps.

    ``read(path)`` -> Decoded. ``make(values)``: one entry a row, None where there is nothing -> the
    encoder's input. ``notes``: row -> what was wrong with its clip, and ``shares``: row -> what
    else was counted in it, of the rows read so far; ``measured`` sums up both. Several threads may
    read at once. Raises RequestError where PyAV is not installed.
    """

    def __init__(
        self, rows: TextRows, read: Callable[[str], Decoded], make: Callable[[list[Any]], Any]
    ) -> None:
        decoder(f"stream {rows.spec.name}")
        self.rows, self.read, self.make = rows, read, make
        self.notes: dict[int, str] = {}
        self.shares: dict[int, Shares] = {}
        self.measured: dict[str, float] = {}
        self._total: Shares = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows_B: Tensor) -> Any:
        return self.make([self.decode(row) for row in rows_B.tolist()])

    def decode(self, row: int) -> Any:
        """One row's clip, decoded; None where there is none. Whatever is wrong with one clip, its
        row lacks this modality and says why; what this machine lacks is no fault of the clip, and
        is raised.
        """
        if not self.rows.length_N[row]:
            return None
        try:
            decoded = self.read(str(self.rows.values[row]))
        except MerbenchError:
            raise
        except Exception as error:
            if is_shortage(error):
                raise
            decoded = Decoded((), f"cannot be read ({typed(error)})")
        with self._lock:
            self._count(row, decoded)
        return decoded.values if len(decoded.values) else None

    def _count(self, row: int, decoded: Decoded) -> None:
        if decoded.note and row not in self.notes:
            self.notes[row] = decoded.note
            kind = CUT_SHORT if len(decoded.values) else WITHOUT
            self.measured[kind] = self.measured.get(kind, 0.0) + 1
        if decoded.shares and row not in self.shares:
            self.shares[row] = decoded.shares
            self._total = summed((self._total, decoded.shares))
            self.measured |= rates(self._total)


def summed(shares: Iterable[Shares]) -> Shares:
    """Name by name."""
    total: dict[str, tuple[int, int]] = {}
    for name, (count, of) in (item for share in shares for item in share.items()):
        so_far = total.get(name, (0, 0))
        total[name] = so_far[0] + count, so_far[1] + of
    return total


def rates(total: Shares) -> dict[str, float]:
    """Name -> how many divided by of how many."""
    return {name: some / of for name, (some, of) in sorted(total.items())}
