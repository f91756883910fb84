"""Pickles of random opcodes, and honest ones with bits flipped: a value or one sentence, in time."""

from __future__ import annotations

import collections
import pickle
import pickletools
import random
import resource
import struct
import time
from pathlib import Path

import numpy as np

from merbench.api import DataError, unpickle
from tests.attack.attack import Attack, Draws, Tries

HONEST = [
    pickle.dumps(value, protocol)
    for protocol in range(6)
    for value in (
        {"text": ["so", "good"] * 9, "label": [0.5, -1.0], "id": ("a", 1, None, True)},
        {"audio": np.arange(60, dtype=np.float32).reshape(5, 12), "n": np.int64(3)},
        collections.OrderedDict(a={1, 2}, b=frozenset("x"), c=b"bytes", d=2**70),
    )
]
NAMES = [
    b"numpy.core.multiarray\n_reconstruct\n", b"numpy\nndarray\n", b"numpy\ndtype\n", b"builtins\nlist\n",
    b"builtins\nset\n", b"builtins\ntuple\n", b"builtins\nbytearray\n", b"collections\nOrderedDict\n",
    b"_codecs\nencode\n", b"argparse\nNamespace\n", b"copyreg\n_reconstructor\n", b"os\nsystem\n",
]  # fmt: skip
OPCODES = [(op.code.encode("latin1"), op.arg.name if op.arg else "") for op in pickletools.opcodes]
SECONDS = 5.0


def attack(draws: Draws, work: Path) -> Tries:
    path = work / "x.pkl"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for draw in draws:
        content = _flipped(draw) if draw.random() < 0.4 else _random(draw)
        path.write_bytes(content)
        clock = time.process_time()
        try:
            unpickle(path)
            fault = ""
        except DataError as error:
            fault = "" if len(str(error)) < 500 else "a sentence without end"
        except BaseException as error:
            fault = f"{type(error).__name__}: {str(error)[:80]}"
        if time.process_time() - clock > SECONDS:
            fault = f"more than {SECONDS} s"
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - peak
        if grown > 200 * 10**6 + 1.5 * len(content):
            fault = f"{grown:,} bytes of memory"
            peak += grown
        yield f"{content.hex()[:400]}: {fault}" if fault else ""


def _flipped(draw: random.Random) -> bytes:
    content = bytearray(draw.choice(HONEST))
    for _ in range(draw.randint(1, 4)):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    if draw.random() < 0.3:
        start = draw.randrange(len(content))
        content += content[start : start + draw.randrange(80)] * draw.randrange(40)
    return bytes(content)


def _random(draw: random.Random) -> bytes:
    parts = [b"\x80\x02"]
    for _ in range(draw.randint(1, 60)):
        code, argument = draw.choice(OPCODES)
        parts.append((code + _argument(draw, argument)) * (draw.choice((1, 1, 1, 1, 50))))
    return b"".join(parts) + b"."


def _argument(draw: random.Random, kind: str) -> bytes:
    number = draw.choice((0, 1, 2, 3, 7, 200, 2**31 - 1))
    if kind in ("stringnl_noescape_pair",):
        return draw.choice(NAMES)
    if "nl" in kind:
        return draw.choice((b"0\n", b"1\n", b"-7\n", b"'x'\n", b"1e999\n", b"9" * 5000 + b"\n"))
    if kind in ("uint1", "int4", "uint2", "uint4", "uint8", "float8"):
        form = {"uint1": "<B", "int4": "<i", "uint2": "<H", "uint4": "<I", "uint8": "<Q"}
        return struct.pack(
            form.get(kind, ">d"), number % 256 if kind == "uint1" else number % 65536
        )
    if kind.endswith("1") or kind.startswith("string1"):
        return b"\x02ab"
    if kind.endswith("8"):
        return struct.pack("<Q", draw.choice((2, 2**40))) + b"ab"
    return struct.pack("<I", draw.choice((2, 2**31 - 1))) + b"ab" if kind else b""


PICKLES = Attack("pickles", "random opcodes, and honest pickles flipped", attack, 150, 1_000_000)
