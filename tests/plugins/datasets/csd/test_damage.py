"""Damaged, hostile and missing computational sequences: one sentence, or counted."""

import sys

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from merbench.api import DataError, RequestError
from merbench.data.folder.read import read_folder
from merbench_datasets.csd.form import Csd
from tests.plugins.datasets.csd.sdk_folder import FOLDS, VIDEOS, Sdk, put, write


@pytest.fixture
def sdk(tmp_path):
    return Sdk(tmp_path / "sdk")


def test_what_is_wrong_in_a_file_is_refused_by_name_and_counted(sdk, tmp_path):
    sdk.segments["a_x"][1] = (9, 4)
    sdk.segments["b"][2] = np.nan
    sdk.labels["c"][0, 0] = 3.0008
    sdk.labels["d"][0, 0] = np.nan
    sdk.facet["b"][1][0] = (5, 1)
    sdk.sound["c"] = (np.zeros((90, 5)), sdk.sound["c"][1])
    sdk.sound["d"] = (sdk.sound["d"][0][:10], sdk.sound["d"][1])
    sdk.words["z"] = sdk.words["b"]
    sdk.save()
    origin = put(tmp_path, sdk.path)
    assert origin.rows == origin.taken + len(origin.refused)
    why = dict(origin.refused)
    assert "outside -3 to 3" in why.pop("c_1")
    assert "5 wide" in why.pop("c of CMU_MOSEI_COVAREP.csd")
    assert "10 features and 90 intervals" in why.pop("d of CMU_MOSEI_COVAREP.csd")
    assert len(why) == 2 and all("is none" in text for text in why.values())
    assert any("1 videos have no utterance (z)" in note for note in origin.notes)
    assert any("1 steps have an interval that is none" in note for note in origin.notes)
    corpus = read_folder(tmp_path / "mine")
    assert corpus.tasks["sentiment"].known[corpus.ids == "d_1"].tolist() == [False]
    assert corpus.streams["audio.covarep"].length[corpus.videos == "c"].sum() == 0


def test_an_interrupted_call_goes_on_to_the_same_bytes(sdk, tmp_path, monkeypatch):
    sdk.facet["d"] = (np.zeros((30, 5)), sdk.facet["d"][1])
    sdk.save()
    intact, broken = tmp_path / "whole", tmp_path / "broken"
    put(intact, sdk.path)
    plain, calls = Csd._features, []

    def stops(self, *cut):
        calls.append(cut)
        if len(calls) in (5, 20):
            raise KeyboardInterrupt
        return plain(self, *cut)

    monkeypatch.setattr(Csd, "_features", stops)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            put(broken, sdk.path)
        assert not (broken / "mine").exists()
    put(broken, sdk.path)
    one, two = (
        {p.relative_to(f): p.read_bytes() for p in sorted(f.rglob("*")) if p.is_file()}
        for f in (intact, broken)
    )
    assert one == two and len(one) > 5


def test_what_is_missing_is_one_sentence(sdk, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "h5py", None)
        with pytest.raises(DataError, match=r"pip install 'merbench-datasets\[csd\]'"):
            put(tmp_path, sdk.path, "one")
    intact = (sdk.path / "CMU_MOSEI_COVAREP.csd").read_bytes()
    (sdk.path / "CMU_MOSEI_COVAREP.csd").write_bytes(intact[: len(intact) // 2])
    with pytest.raises(DataError, match=r"COVAREP.csd cannot be read .*copy it again"):
        put(tmp_path, sdk.path, "two")
    (sdk.path / "CMU_MOSEI_COVAREP.csd").unlink()
    (sdk.path / "cmu_mosei_std_folds.py").unlink()
    with pytest.raises(DataError, match="says nowhere who trains"):
        put(tmp_path, sdk.path, "three")
    with pytest.raises(DataError, match="has no file of labels"):
        put(
            tmp_path,
            write(
                tmp_path / "x_words.csd",
                {"b": {"features": sdk.words["b"][0], "intervals": sdk.words["b"][1]}},
            ),
            "four",
        )


def test_links_out_of_the_file_are_not_followed(sdk, tmp_path):
    path = sdk.path / "CMU_MOSEI_COVAREP.csd"
    with h5py.File(path, "a") as file:
        del file["CMU_MOSEI_COVAREP/data/b"], file["CMU_MOSEI_COVAREP/data/c/features"]
        file["CMU_MOSEI_COVAREP/data/b"] = h5py.ExternalLink(
            "CMU_MOSEI_VisualFacet42.csd", "/CMU_MOSEI_VisualFacet42/data/b"
        )
        file.create_dataset(
            "CMU_MOSEI_COVAREP/data/c/features",
            (90, 2),
            "f8",
            external=[(str(sdk.path / "cmu_mosei_std_folds.py"), 0, 1440)],
        )
    refused = put(tmp_path, sdk.path).refused
    assert refused["b of CMU_MOSEI_COVAREP.csd"] == "it is no group of this file"
    assert refused["c of CMU_MOSEI_COVAREP.csd"] == "its features are in another file"


NUMBERS = st.sampled_from([0.0, 1.0, 2.5, -1.0, 7.0, np.nan, np.inf, 1e30])


FEATURES = st.sampled_from(
    ["numbers", "words", "flat", "cube", "whole", "none", "missing", "reference", "longer", "wide"]
)


@st.composite
def mischief(draw):
    """name of the video -> parts of its group."""
    videos = {}
    for video in draw(
        st.lists(st.sampled_from([*VIDEOS, "é", "x y", "0"]), max_size=4, unique=True)
    ):
        n = draw(st.integers(0, 4))
        intervals = np.array(draw(st.lists(NUMBERS, min_size=2 * n, max_size=2 * n))).reshape(n, 2)
        attributes = {
            "numbers": lambda n=n: np.arange(3.0 * n).reshape(n, 3),
            "words": lambda n=n: np.array([[b"w\xff"]] * n, dtype="S3").reshape(n, 1),
            "flat": lambda n=n: np.arange(float(n)),
            "cube": lambda n=n: np.zeros((n, 2, 2)),
            "whole": lambda n=n: np.ones((n, 3), dtype=np.int8),
            "none": lambda: h5py.Empty("f4"),
            "reference": lambda n=n: np.full((n, 1), h5py.Reference(), dtype=h5py.ref_dtype),
            "longer": lambda n=n: np.zeros((n + 1, 3)),
            "wide": lambda n=n: np.zeros((n, 0)),
        }
        kind = draw(FEATURES)
        parts = {} if kind == "missing" else {"features": attributes[kind]()}
        shape = draw(st.sampled_from(["pairs", "pairs", "pairs", "missing", "texts", "one"]))
        if shape != "missing":
            parts["intervals"] = {
                "pairs": intervals,
                "texts": np.array([[b"a", b"b"]] * n, dtype="S1").reshape(n, 2),
                "one": intervals[:, :1],
            }[shape]
        videos[video] = parts
    return videos


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    labels=mischief(), words=mischief(), sound=mischief(), cut=st.one_of(st.none(), st.floats(0, 1))
)
def test_mischief_is_told_in_one_sentence_or_counted(tmp_path_factory, labels, words, sound, cut):
    home = tmp_path_factory.mktemp("fuzz")
    folder = home / "sdk"
    folder.mkdir()
    write(folder / "CMU_MOSI_Opinion_Labels.csd", labels)
    write(folder / "CMU_MOSI_TimestampedWords.csd", words)
    path = write(folder / "CMU_MOSI_COVAREP.csd", sound)
    if cut is not None:
        content = path.read_bytes()
        path.write_bytes(content[: int(cut * len(content))])
    (folder / "folds.py").write_text(FOLDS)
    try:
        origin = put(home, folder)
    except RequestError as error:
        assert "\n" not in str(error) and len(str(error)) > 20
        return
    assert origin.rows == origin.taken + len(origin.refused)
    refused_rows = " ".join(origin.refused)
    table = set(read_folder(home / "mine").ids.tolist())
    for video, parts in labels.items():
        n = (
            len(parts["intervals"])
            if "intervals" in parts and isinstance(parts.get("features"), np.ndarray)
            else 0
        )
        content = f"{video} of CMU_MOSI_Opinion_Labels.csd" in origin.refused
        assert content or all(
            f"{video}_{k + 1}" in table or f"{video}_{k + 1}" in refused_rows for k in range(n)
        )
