"""What an unknown file holds is said in a line."""

import gzip
import json
import pickle
import tarfile
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save_file

from merbench.api import RequestError
from merbench.api.dataset_forms import Source
from merbench.data.intake.add import recognise
from merbench.data.intake.unknown_source import contents


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
    assert f"it holds {contents(Source(path))}; merbench list forms" in told(path)
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
    assert "here; merbench list forms" in told(tmp_path / "torn.npz")


def test_files_that_no_form_reads_are_told_too(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((5, 3), "f4"))
    save_file({"x": np.zeros((4, 2), "f4")}, tmp_path / "a.safetensors")
    (tmp_path / "a.jsonl").write_text('{"id": 1, "text": "so"}\n{"id": 2}\n')
    (tmp_path / "semicolons.csv").write_text("name;score\na;1\n")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("Raw/1.mp4", "")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "a.npy", "a.npy")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"id,label\na,1\n"))
    sentences = {
        "a.npy": "one array f4 [5, 3]",
        "a.safetensors": "tensors x [4, 2]",
        "a.jsonl": "lines of JSON, the first a dict of id: a int, text: a str",
        "semicolons.csv": "a table with the columns name, score",
        "a.zip": "an archive of Raw/1.mp4, which is to be unpacked first",
        "a.csv.gz": "one file, which is to be unpacked first",
        "a.tar.gz": "an archive of a.npy and perhaps more, which is to be unpacked first",
    }
    assert {name: contents(Source(tmp_path / name)) for name in sentences} == sentences


def test_a_suffix_that_says_nothing_leaves_the_first_bytes(tmp_path):
    with zipfile.ZipFile(tmp_path / "book.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "")
    (tmp_path / "a.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    (tmp_path / "a.txt").write_text("\na good film \u6211\nand more\n")
    (tmp_path / "a.csv").write_bytes(b"")
    (tmp_path / "blank").write_bytes(b" \n")
    (tmp_path / "a.bin").write_bytes(bytes(range(250)))
    sentences = {
        "book.xlsx": "an Excel workbook; save its sheet as .csv",
        "a.mat": "MATLAB's variables; save them as .npz or as a table",
        "a.txt": "text that begins with 'a good film \u6211'",
        "a.csv": "nothing",
        "blank": "nothing",
        "a.bin": "",
    }
    assert {name: contents(Source(tmp_path / name)) for name in sentences} == sentences


def test_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["data"] = np.zeros((2, 3), "f4")
        file.create_group("more")
        file["away"] = h5py.ExternalLink("nowhere.h5", "/x")
    assert contents(Source(tmp_path / "x.h5")) == (
        "HDF5 with away (a link), data float32 [2, 3], more"
    )
