"""Whatever a source holds, ``data add`` ends in a data set whose rows are accounted for, or in one
sentence.
"""

from __future__ import annotations

import pickle
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from merbench.api import Config, DataError, MerbenchError, Source
from merbench.data.folder.read import read_folder
from merbench.data.intake.add import add
from merbench_datasets.feature_folder import FeatureFolder
from merbench_datasets.misa_pickle import MisaPickle
from merbench_datasets.mmsa_pickle import MmsaPickle
from merbench_datasets.mult_pickle import MultPickle
from tests.data.intake.test_add import Form

fuzz = settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
number = st.integers(0, 10**9)


def put(path, form, home):
    """Add it as a data set of its own, and count: rows in = rows out + refused, by name."""
    name = f"d{len(list(home.glob('d*')))}"
    if form.recognise(Source(path)):
        return None
    origin = add(name, home, Source(path), form, "form", {}, lambda *progress: None)
    corpus = read_folder(home / name)
    assert origin.rows == origin.taken + len(origin.refused)
    assert len(corpus) == origin.taken
    return corpus


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


names = st.one_of(
    st.sampled_from(["a$_$1", "a$_$2", "b$_$1", "a_1", "a[1]", "", "$_$", "c"]), st.text(max_size=4)
)
values = st.one_of(st.floats(width=32), st.sampled_from([0.0, 3.0, -3.0, 4.0]))


@st.composite
def splits(draw):
    """MMSA's form, now and then with something amiss in it."""
    splits_by_mode = {}
    for mode in ("train", "valid", "test"):
        n = draw(st.integers(0, 4))
        rng = np.random.default_rng(draw(number))
        split = {
            "id": draw(st.lists(names, min_size=n, max_size=n)),
            "raw_text": draw(st.lists(st.text(max_size=5), min_size=n, max_size=n)),
            "regression_labels": np.array(
                draw(st.lists(values, min_size=n, max_size=n)), dtype=np.float32
            ),
        }
        for field, width in (("text", 2), ("audio", 3)):
            split[field] = rng.choice(
                np.array([0.0, 0.0, 1.0, -1.0, -np.inf, np.nan], np.float32), (n, 3, width)
            )
        if draw(st.booleans()):
            split["audio_lengths"] = draw(st.lists(st.integers(-2, 5), min_size=n, max_size=n))
        splits_by_mode[mode] = split
    if draw(st.integers(0, 3)) == 0:
        odd = st.one_of(
            st.none(),
            st.integers(),
            st.text(max_size=3),
            st.lists(st.integers(), max_size=3),
            st.just(np.zeros((2, 2))),
        )
        split = splits_by_mode[draw(st.sampled_from(["train", "valid", "test"]))]
        split[draw(st.sampled_from([*split, "text_bert", "audio_lengths", "annotations"]))] = draw(
            odd
        )
    return splits_by_mode


@fuzz
@given(found=splits(), protocol=st.integers(0, 5))
def test_mmsa_pickles(tmp_path, home, found, protocol):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(found, protocol))
    try:
        put(path, MmsaPickle(MmsaPickle.Config()), home)
    except MerbenchError as error:
        assert "\n" not in str(error)


@fuzz
@given(found=splits(), labels=st.sampled_from([1, 2, 7]))
def test_mult_pickles(tmp_path, home, found, labels):
    path = tmp_path / "x.pkl"
    for split in found.values():
        split["labels"] = np.zeros(
            (len(split["id"]) if isinstance(split["id"], list) else 1, 1, labels)
        )
    path.write_bytes(pickle.dumps(found, 2))
    try:
        put(path, MultPickle(MultPickle.Config()), home)
    except MerbenchError as error:
        assert "\n" not in str(error)


@st.composite
def lists(draw):
    array = st.builds(
        np.zeros, st.one_of(st.tuples(st.integers(0, 3), st.just(2)), st.tuples(st.integers(0, 2)))
    )
    words = st.one_of(st.lists(st.text(max_size=3), max_size=3), st.none(), st.integers())
    row = st.tuples(
        st.tuples(array, array, array, words),
        st.builds(lambda n: np.zeros((1, n)), st.sampled_from([1, 1, 1, 7, 2])),
        names,
    )
    return {mode: draw(st.lists(row, max_size=4)) for mode in ("train", "dev", "test")}


@fuzz
@given(found=lists())
def test_misa_pickles(tmp_path, home, found):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(found, 2))
    try:
        put(path, MisaPickle(MisaPickle.Config()), home)
    except MerbenchError as error:
        assert "\n" not in str(error)


@fuzz
@given(data=st.data())
def test_feature_folders(folder, tmp_path, home, data):
    """label.csv, dataset.toml or an array file with bytes changed."""
    folder.reset()
    folder.save()
    path = folder.path / data.draw(
        st.sampled_from(["label.csv", "dataset.toml", "words.npz", "arrays.npz"])
    )
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(whole) - 1))
        new = data.draw(
            st.one_of(
                st.binary(max_size=3),
                st.sampled_from([b'"', b"\n", b",", b"[", b"=", b"{}", b"\r"]),
            )
        )
        whole[position : position + data.draw(st.integers(0, 2))] = new
    path.write_bytes(whole)
    try:
        put(folder.path, FeatureFolder(Config()), home)
    except MerbenchError as error:
        assert str(folder.path) in str(error) or str(home) in str(error)


@fuzz
@given(data=st.data())
def test_stream_files(folder, home, data):
    """A stream file with bytes of its header, its ids or its offsets changed."""
    shutil.rmtree(home / "mine", ignore_errors=True)
    source = home / "source.made"
    source.write_bytes(b"made")
    add("mine", home, Source(source), Form(), "made", {}, lambda *progress: None)
    path = (
        home / f"mine/streams/{data.draw(st.sampled_from(['audio.one', 'text.one']))}.safetensors"
    )
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.one_of(st.integers(0, 500), st.integers(4096, len(whole) - 1)))
        whole[position : position + 1] = data.draw(
            st.one_of(st.binary(max_size=2), st.sampled_from([b"9", b"-", b"]", b"0"]))
        )
    path.write_bytes(
        whole[: data.draw(st.integers(0, len(whole)))]
        if data.draw(st.integers(0, 4)) == 0
        else whole
    )
    try:
        assert len(read_folder(home / "mine")) == 5
    except DataError as error:
        assert str(home / "mine") in str(error)
