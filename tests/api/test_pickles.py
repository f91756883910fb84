"""The restricted unpickler: honest pickles load, hostile ones are refused and nothing in them runs."""

from __future__ import annotations

import argparse
import builtins
import collections
import os
import pickle
import pickletools
import struct
import subprocess
import time
import types
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from merbench.api import Array, DataError, as_text, unpickle
from merbench.api.pickles.budget import Budget

HONEST = {
    "plain": [
        1,
        -5,
        2.5,
        True,
        None,
        "so",
        b"bytes",
        2**70,
        (1, (2,)),
        {"a": {"b": []}},
        {1, 2},
        frozenset([3]),
    ],
    "f4": np.arange(6000, dtype=np.float32).reshape(20, 30, 10),
    "f8": np.linspace(0, 1, 12).reshape(3, 4),
    "fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "big endian": np.arange(3, dtype=">f8"),
    "bool": np.array([True, False]),
    "texts": np.array(["a", "bcd"]),
    "objects": np.array(["a", "bcd"], dtype=object),
    "a table of objects": np.array([["a", 1, None], ["b", 2, None]], dtype=object, order="F"),
    "empty": np.zeros((0, 3)),
    "nan": np.array([np.nan, -np.inf], dtype=np.float16),
    "scalar": np.float32(3.5),
    "int scalar": np.int64(-3),
    "ordered": collections.OrderedDict(a=1, b=2),
    "default": collections.defaultdict(list, {1: [2]}),
    "long": "x" * 5000,
    "settings": argparse.Namespace(max_len=60),
}


def plain(value):
    if isinstance(value, Array) and value.dtype.hasobject:
        return [plain(value[i]) for i in range(len(value))]
    return value.read() if isinstance(value, Array) else value


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", HONEST)
def test_honest_values_load(tmp_path, protocol, name):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps({"held": HONEST[name]}, protocol))
    value, found = HONEST[name], plain(unpickle(path)["held"])
    if "objects" in name:
        assert found == value.tolist()
    elif isinstance(value, np.ndarray):
        np.testing.assert_array_equal(found, value)
        assert found.dtype == value.dtype
    elif name == "settings":
        assert found == {"max_len": 60}
    else:
        assert (as_text(found) if name == "long" else found) == value


@pytest.mark.parametrize("protocol", range(6))
def test_one_row_of_an_array_is_read_alone(tmp_path, protocol):
    path, value = tmp_path / "x.pkl", HONEST["f4"]
    path.write_bytes(pickle.dumps(value, protocol))
    loaded = unpickle(path)
    assert (loaded.shape, loaded.ndim, len(loaded)) == ((20, 30, 10), 3, 20)
    for row in (0, 7, 19):
        np.testing.assert_array_equal(loaded[row], value[row])
    with pytest.raises(IndexError):
        loaded[20]


def test_python_2_pickles_load_as_latin1(tmp_path):
    """Protocol 2 of Python 2: strings are bytes (opcodes U and T), also those of an array's values."""
    values = np.arange(200, dtype="<f8")
    raw = values.tobytes()
    pickled = (
        b"\x80\x02}q\x00(U\x04nameq\x01U\x03\xe9tqU\x06valuesq\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\xc8\x85cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
        + struct.pack("<I", len(raw)) + raw + b"tbu."
    )  # fmt: skip
    path = tmp_path / "x.pkl"
    path.write_bytes(pickled.replace(b"U\x03\xe9tq", b"U\x02\xe9t"))
    loaded = unpickle(path)
    assert loaded["name"] == "ét"
    np.testing.assert_array_equal(loaded["values"].read(), values)
    np.testing.assert_array_equal(
        pickle.loads(path.read_bytes(), encoding="latin1")["values"], values
    )


@pytest.mark.parametrize("module", ["numpy.core", "numpy._core"])
def test_old_and_new_numpy_paths(tmp_path, module):
    path = tmp_path / "x.pkl"
    data = pickle.dumps([np.arange(3.0), np.float64(2)], 2)
    assert b"numpy._core.multiarray" in data
    path.write_bytes(data.replace(b"numpy._core.multiarray", f"{module}.multiarray".encode()))
    array, number = unpickle(path)
    assert array.read().tolist() == [0, 1, 2] and number == 2


@pytest.mark.parametrize("as_zip", [True, False])
def test_torch_files_load(tmp_path, as_zip):
    path = tmp_path / "x.pt"
    whole = torch.arange(12.0).reshape(3, 4)
    held = {
        "t": whole, "part": whole[1:], "h": torch.ones(2, dtype=torch.float16), "n": np.arange(3),
        "settings": argparse.Namespace(max_len=60),
    }  # fmt: skip
    torch.save(held, path, _use_new_zipfile_serialization=as_zip)
    loaded = unpickle(path)
    assert loaded["settings"] == {"max_len": 60} and loaded["n"].read().tolist() == [0, 1, 2]
    for name in ("t", "part", "h"):
        np.testing.assert_array_equal(loaded[name].read(), held[name].numpy())
    np.testing.assert_array_equal(loaded["part"][1], whole[2].numpy())


class Reduces:
    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce_ex__(self, protocol):
        return self.reduced


class SetsState:
    def __setstate__(self, state):
        open(state["mark"], "w").close()  # noqa: PTH123


def hostile(mark):
    """Name -> a value whose plain loading would make the file ``mark``, or worse."""
    command = f"touch {mark}"
    state = SetsState()
    state.mark = mark
    held = np.empty(1, dtype=object)
    held[0] = Reduces(os.system, (command,))
    return {
        "os.system": Reduces(os.system, (command,)),
        "builtins.eval": Reduces(eval, (f"open({mark!r}, 'w')",)),
        "builtins.exec": Reduces(exec, (f"open({mark!r}, 'w')",)),
        "subprocess": Reduces(subprocess.check_call, (["touch", mark],)),
        "getattr": Reduces(getattr, ("", "join")),
        "__import__": Reduces(__import__, ("os",)),
        "open": Reduces(builtins.open, (mark, "w")),
        "setstate": state,
        "object array": held,
        "deep inside": {"train": [({"x": Reduces(os.system, (command,))},)]},
        "as a key's value": collections.OrderedDict(a=Reduces(os.system, (command,))),
        "codecs": Reduces(__import__("codecs").decode, (b"x", "rot13")),
        "numpy load": Reduces(np.load, (mark,)),
        "a class": types.SimpleNamespace,
        "state setter": Reduces(collections.OrderedDict, (), {"x": 1}, None, None, Reduces),
        "list items of a call": Reduces(list, (), None, iter([Reduces(os.system, (command,))])),
    }


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", hostile("x"))
def test_hostile_values_are_refused_and_nothing_runs(tmp_path, protocol, name):
    mark, path = tmp_path / "mark", tmp_path / "x.pkl"
    value = hostile(str(mark))[name]
    try:
        path.write_bytes(pickle.dumps(value, protocol))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        pytest.skip(f"protocol {protocol} cannot write it: {error}")
    if name in ("a class",):
        assert type(unpickle(path)).__name__ == "Maker"  # a name alone is inert
        return
    with pytest.raises(DataError, match=r"x\.pkl") as refused:
        unpickle(path)
    assert "was not loaded" in str(refused.value)
    assert not mark.exists()


SYSTEM = b"cposix\nsystem\n"
CRAFTED = {
    "a global of dots": b"\x80\x04\x8c\x05numpy\x8c\x0bcore.os.sys\x93.",
    "a stack global that is no text": b"\x80\x04K\x01K\x02\x93.",
    "a stack global of an attribute": b"\x80\x04\x8c\x08builtins\x8c\x0c__class__.mr\x93)R.",
    "an instance": b"(S'touch x'\niposix\nsystem\n.",
    "an object": b"(cposix\nsystem\nS'touch x'\no.",
    "a new object": b"\x80\x02" + SYSTEM + b")\x81.",
    "a new object with keywords": b"\x80\x04" + SYSTEM + b")}\x8c\x01aK\x01s\x92.",
    "a call of a text": b"S'x'\n)R.",
    "a call without a tuple": b"c__builtin__\nset\n]R.",
    "state of a list": b"]}b.",
    "state of a maker": b"cnumpy\nndarray\n}b.",
    "extension code 1": b"\x80\x02\x82\x01.",
    "extension code 2": b"\x80\x02\x83\x01\x00.",
    "extension code 4": b"\x80\x02\x84\x01\x00\x00\x00.",
    "a persistent id": b"Pos.system\n.",
    "a persistent id of the stack": b"\x80\x02K\x01Q.",
    "buffers outside": b"\x80\x05\x97.",
    "a later protocol": b"\x80\x06N.",
    "a nested tuple as a key": b"}((K\x01t(K\x02ttK\x01s.",
    "bytes of another codec": b"c_codecs\nencode\n(X\x01\x00\x00\x00xX\x05\x00\x00\x00rot13tR.",
    "an array of a subclass": b"cnumpy.core.multiarray\n_reconstruct\n(c__builtin__\nlist\n(I0\ntS'b'\ntR.",
    "a record dtype": b"cnumpy\ndtype\n(S'V8'\nI0\nI1\ntR.",
    "a dtype of a class": b"cnumpy\ndtype\n(c__builtin__\nlist\nI0\nI1\ntR.",
    "copy_reg of a class": b"ccopy_reg\n_reconstructor\n(c__builtin__\nlist\nc__builtin__\nobject\nNtR.",
    "pandas": b"cpandas.core.frame\nDataFrame\n)R.",
    "a huge number": b"\x80\x02\x8b\xff\xff\xff\x7f.",
}
DAMAGED = {
    "nothing": b"",
    "no opcode": b"\xff\xff",
    "no stop": b"\x80\x02K\x01",
    "a huge string": b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"x.",
    "huge bytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x.",
    "a long text cut off": b"X\xff\xff\xff\x7fabc",
    "a memo that is empty": b"h\x07.",
    "a mark that is missing": b"\x80\x02K\x01t.",
    "a stack that is empty": b"\x85.",
    "a pop below a mark": b"((0002.",
    "append to a number": b"K\x01K\x02a.",
    "an odd mapping": b"(K\x01d.",
    "an array of the wrong size": pickle.dumps(np.arange(8.0), 3).replace(
        b"K\x08\x85", b"K\x09\x85"
    ),
    "an array of a huge shape": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I99999999999999\nt"
    b"cnumpy\ndtype\n(S'f8'\nI0\nI1\ntRI00\nS''\ntb.",
    "an array without state": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR.",
    "a number of ten thousand digits": b"L" + b"9" * 10000 + b"L\n.",
}


@pytest.mark.parametrize("name", CRAFTED)
def test_crafted_pickles_are_refused(tmp_path, name):
    path = tmp_path / "x.pkl"
    path.write_bytes(CRAFTED[name])
    with pytest.raises(DataError, match=r"x\.pkl .*was not loaded"):
        unpickle(path)


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_pickles_are_one_sentence(tmp_path, name):
    path = tmp_path / "x.pkl"
    path.write_bytes(DAMAGED[name])
    with pytest.raises(DataError, match=r"x\.pkl is not a whole pickle"):
        unpickle(path)


def test_bombs_cost_nothing(tmp_path):
    path = tmp_path / "x.pkl"
    # A hundred doublings: 2 ** 100 leaves for whoever walks through it.
    path.write_bytes(
        b"\x80\x02]q\x00" + b"".join(b"h\x00h\x00\x86q\x00" for _ in range(100)) + b"."
    )
    assert isinstance(unpickle(path), tuple)
    # The memo of C's unpickler makes room for the number that is named.
    path.write_bytes(b"\x80\x02Nr\xff\xff\xff\x7f.")
    assert unpickle(path) is None
    path.write_bytes(b"\x80\x02" + b"]" * 30_000 + b"a" * 29_999 + b".")
    assert isinstance(unpickle(path), list)


NESTED = b"]q\x00" + b"".join(b"h\x00h\x00\x86q\x00" for _ in range(60))
"""A tuple of 2 ** 60 leaves, on the stack and in the memo as 0: whoever prints it never ends."""
DTYPE = b"cnumpy\ndtype\n"
EMPTY = (
    b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tC\x01btR(K\x01%s"
    + DTYPE
    + b"(X\x02\x00\x00\x00f4\x89\x88tR\x89C\x00tb"
)
BOMBS = {
    "a nested type": NESTED + DTYPE + b"(h\x00\x89\x88tR",
    "a nested encoding": NESTED + b"c_codecs\nencode\n(X\x01\x00\x00\x00ah\x00tR",
    "a nested name": NESTED + b"h\x00h\x00\x93",
    "a nested persistent id": NESTED + b"h\x00Q",
    "a nested list of storages": NESTED + b"h\x00R",
    "copies of a list": b"(" + b"N" * 1000 + b"lq\x01" + b"cbuiltins\nlist\n(h\x01tR" * 2_000,
    "copies of a tuple": b"(" + b"N" * 1000 + b"tq\x01" + b"cbuiltins\ntuple\n(h\x01tR" * 2_000,
    "copies of a set": b"(" + b"N" * 1000 + b"tq\x01" + b"cbuiltins\nset\n(h\x01tR" * 2_000,
    "marks": b"(" * 200_000,
    "lists": b"]" * 100_000,
    "memos": b"N" + b"\x94" * 100_000,
    "rows of nothing": EMPTY % b"(M\xff\xff\x8a\x06\x00\x00\x00\x00\x00\x01K\x00t",
    "a shape of a thousand": EMPTY % (b"(" + b"K\x02" * 1000 + b"t"),
    "a shape of large numbers": EMPTY % (b"(" + b"\x8b\x00\x04\x00\x00" + b"\x7f" * 1024 + b"t"),
    "texts of a million": b"cnumpy.core.multiarray\nscalar\nq\x05"
    + DTYPE
    + b"(X\x07\x00\x00\x00U999999\x89\x88tRq\x06"
    + b"h\x05(h\x06B\xfc\x08\x3d\x00"
    + b"a\x00\x00\x00" * 999_999
    + b"q\x07tR"
    + b"h\x05(h\x06h\x07tR" * 30,
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_one_sentence_in_time_and_memory(tmp_path, monkeypatch, name):
    monkeypatch.setattr("merbench.api.pickles.budget.MEGABYTE", 10**4)
    path = tmp_path / "x.pkl"
    path.write_bytes(b"\x80\x02" + BOMBS[name] + b".")
    began = time.process_time()
    with pytest.raises(DataError) as error:
        unpickle(path)
    assert time.process_time() - began < 5 and len(str(error.value)) < 400


def test_a_budget_is_of_the_whole_file(tmp_path, monkeypatch):
    """A legacy file of torch holds five pickles."""
    budget = Budget(0)
    left = budget.bytes
    budget.spend(10)
    assert budget.bytes == left - 10
    monkeypatch.setattr("merbench.api.pickles.budget.MEGABYTE", 50)
    path = tmp_path / "x.pt"
    torch.save({"a": torch.zeros(3)}, path, _use_new_zipfile_serialization=False)
    assert unpickle(path)["a"].shape == (3,)
    monkeypatch.setattr("merbench.api.pickles.budget.MEGABYTE", -100)
    with pytest.raises(DataError, match="in memory"):
        unpickle(path)


def test_the_clock_ends_it(tmp_path, monkeypatch):
    monkeypatch.setattr("merbench.api.pickles.budget.SECONDS", -1.0)
    (tmp_path / "x.pkl").write_bytes(b"\x80\x02" + b"N0" * 20_000 + b"N.")
    with pytest.raises(DataError, match="s to read"):
        unpickle(tmp_path / "x.pkl")


SECRET = b"said-in-confidence"


@pytest.mark.parametrize(
    "content",
    [
        b"I" + SECRET + b"\n",
        b"F" + SECRET + b"\n",
        b"S" + SECRET + b"\n",
        b"g" + SECRET + b"\n",
        DTYPE + b"(X\x12\x00\x00\x00" + SECRET + b"\x89\x88tR",
        b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x12\x00\x00\x00" + SECRET + b"tR",
        b"csaid in confidence\nno name\n",
        b"X\x14\x00\x00\x00" + SECRET + b"\xff\xff",
        b"P" + SECRET + b"\n",
    ],
)
def test_errors_never_print_contents(tmp_path, content):
    (tmp_path / "x.pkl").write_bytes(b"\x80\x02" + content + b".")
    with pytest.raises(DataError) as error:
        unpickle(tmp_path / "x.pkl")
    assert "confidence" not in str(error.value)


def test_every_opcode_of_every_protocol_is_known():
    from merbench.api.pickles.opcodes import OPCODES

    assert {op.code.encode("latin1") for op in pickletools.opcodes} == {*OPCODES, b"."}


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_truncated_anywhere(tmp_path, protocol):
    whole, path = (
        pickle.dumps({k: v for k, v in HONEST.items() if k != "f4"}, protocol),
        tmp_path / "x.pkl",
    )
    for end in range(0, len(whole), max(1, len(whole) // 150)):
        path.write_bytes(whole[:end])
        with pytest.raises(DataError):
            unpickle(path)


def test_hostile_torch_files(tmp_path):
    path, mark = tmp_path / "x.pt", tmp_path / "mark"
    for as_zip in (True, False):
        torch.save(
            {"a": Reduces(os.system, (f"touch {mark}",))},
            path,
            _use_new_zipfile_serialization=as_zip,
        )
        with pytest.raises(DataError, match=r"posix\.system"):
            unpickle(path)
    torch.save({"a": torch.zeros(3, 4).T}, path)
    with pytest.raises(DataError, match="contiguous"):
        unpickle(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps([1] * 1000))
    with pytest.raises(DataError, match="compressed"):
        unpickle(path)
    assert not mark.exists()


@settings(
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_bytes_end_in_a_value_or_one_sentence(tmp_path, data):
    """Honest pickles with bytes changed, taken out or put in."""
    protocol = data.draw(st.integers(0, 5))
    whole = bytearray(
        pickle.dumps(
            {k: HONEST[k] for k in ("plain", "f8", "texts", "objects", "scalar", "settings")},
            protocol,
        )
    )
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(whole) - 1))
        new = data.draw(
            st.one_of(
                st.binary(max_size=3),
                st.sampled_from([bytes([op]) for op in b"\x80\x93Rbcoi\x81PQ\x82(tt0.2e"]),
            )
        )
        whole[at : at + data.draw(st.integers(0, 2))] = new
    path = tmp_path / "x.pkl"
    path.write_bytes(whole)
    try:
        unpickle(path)
    except DataError as error:
        assert str(path) in str(error)
