"""What the first bytes of an HDF5 file say, without the HDF5 library (HDF5 File Format
Specification, III.A: the superblock).
"""

from __future__ import annotations

from pathlib import Path

SIGNATURE = b"\x89HDF\r\n\x1a\n"


def promised_size(path: Path) -> int | None:
    """The end-of-file address: how long the file must be at least; None where it is no HDF5 file
    that says so.
    """
    with path.open("rb") as file:
        head = file.read(96)
    if not head.startswith(SIGNATURE) or len(head) < 48:
        return None
    version = head[8]
    # Version 0 and 1: base, free space, end, driver; 2 and 3: base, extension, end, root; each as
    # wide as the file's offsets.
    width, first = (head[13], 24 + 4 * version) if version < 2 else (head[9], 12)
    end = head[first + 2 * width : first + 3 * width]
    return (
        int.from_bytes(end, "little")
        if version <= 3 and width in (2, 4, 8) and len(end) == width
        else None
    )
