"""What an unknown file holds is said in a line."""

import json
import pickle

import numpy as np
import pytest

from merbench.api import RequestError
from merbench.api.forms import Source
from merbench.data.intake.add import recognise
from merbench.data.intake.contents import contents


def told(path):
    with pytest.raises(RequestError, match="has no form that is known here") as caught:
        recognise(Source(path), {})
    return str(caught.value)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"a": {"x": np.zeros((3, 2), "f4")}}, "a dict of a: a dict of x: f4 [3, 2]"),
        ([(np.zeros(2), "b")] * 4, "a list of 4, the first (f8 [2], a str)"),
        ({k: k for k in range(9)}, "5: a int, ... (9 keys)"),
        ([], "an empty list"),
    ],
)
def test_a_pickle_is_told_by_keys_and_shapes(value, sentence, tmp_path):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(value))
    assert f"it holds {contents(Source(path))}; looked for" in told(path)
    assert contents(Source(path)).endswith(sentence)


def test_other_files_and_folders(tmp_path):
    (tmp_path / "t.csv").write_text("name,score\na,1\n")
    assert contents(Source(tmp_path / "t.csv")) == "a table with the columns name, score"
    (tmp_path / "j.json").write_text(json.dumps({"1": {"x": [1]}}))
    assert contents(Source(tmp_path / "j.json")) == (
        "a dict of 1: a dict of x: a list of 1, the first a int"
    )
    np.savez(tmp_path / "n.npz", a=np.zeros((2, 3)), b={"k": "v"})
    assert contents(Source(tmp_path / "n.npz")) == "a dict of a: f8 [2, 3], b: a dict of k: a str"
    assert contents(Source(tmp_path)).startswith("3 files and folders (")
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04 no")
    assert contents(Source(tmp_path / "torn.npz")) == ""
    assert "here; looked for" in told(tmp_path / "torn.npz")


def test_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["data"] = np.zeros((2, 3), "f4")
        file.create_group("more")
        file["away"] = h5py.ExternalLink("nowhere.h5", "/x")
    assert contents(Source(tmp_path / "x.h5")) == (
        "HDF5 with away (a link), data float32 [2, 3], more"
    )
