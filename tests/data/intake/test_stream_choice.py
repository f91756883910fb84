"""Streams of a source that are renamed or left out when it is added."""

import csv

import numpy as np
import pytest

from merbench.data.folder.manifest import read_manifest
from merbench.data.folder.read import read_folder
from tests.conftest import loads


@pytest.fixture
def source(tmp_path):
    """A feature folder with text, sound and faces."""
    folder = tmp_path / "source"
    folder.mkdir()
    ids = [f"v{k // 3}_{k % 3}" for k in range(9)]
    with (folder / "label.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["video_id", "clip_id", "text", "label", "mode"])
        for k in range(9):
            mode = ("train", "valid", "test")[k // 3]
            writer.writerow([f"v{k // 3}", k % 3, "so", k % 3 - 1, mode])
    np.savez(folder / "x.npz", id=np.array(ids), sound=np.ones((9, 2)), face=np.ones((9, 3)))
    stream = (
        '[streams."{0}.{1}"]\nmodality = "{0}"\nkind = "features"\nfile = "x.npz"\narray = "{1}"\n'
    )
    (folder / "dataset.toml").write_text(
        'name = "x"\ntask.s = { column = "label", kind = "score", low = -3, high = 3 }\n'
        + stream.format("audio", "sound")
        + stream.format("video", "face")
        + '[streams."text.t"]\nmodality = "text"\nkind = "strings"\ncolumn = "text"\n'
        + '[protocols.standard]\ncolumn = "mode"\nstreams = ["text.t", "audio.sound", "video.face"]\n'
    )
    return folder


@pytest.fixture
def put(merbench, source, tmp_path):
    def call(*words, check=True):
        home = str(tmp_path / "home")
        result = merbench(
            "data", "add", "--name", "x", str(source), *words, "--data", home, "--json", check=check
        )
        return loads(result.stdout) if check else result

    return call


def test_streams_are_renamed_and_left_out(put, tmp_path):
    report = put("--rename", "audio.sound=audio.opensmile", "--without", "video.face")
    corpus = read_folder(tmp_path / "home/x")
    assert set(corpus.streams) == {"text.t", "audio.opensmile"}
    assert corpus.protocols["standard"].streams == ("text.t", "audio.opensmile")
    assert report["streams"] == ["audio.opensmile", "text.t"]
    kept = read_manifest(tmp_path / "home/x").sources[0].options
    assert kept == {"renamed": {"audio.sound": "audio.opensmile"}, "without": ["video.face"]}
    put("--rename", "audio.sound=audio.more", "--without", "text.t")
    assert set(read_folder(tmp_path / "home/x").streams) == {
        "text.t", "audio.opensmile", "audio.more", "video.face",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--without", "audio.nothing"], "no stream 'audio.nothing'; it has"),
        (["--rename", "audio.sound=loud"], "give OLD=NEW, where NEW is a modality"),
        (
            ["--rename", "audio.sound=audio.a", "--rename", "video.face=audio.a"],
            "two streams one name",
        ),
        (
            [x for n in ("text.t", "audio.sound", "video.face") for x in ("--without", n)],
            "no stream left",
        ),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_left(words, sentence, put, tmp_path):
    done = put(*words, check=False)
    assert done.returncode == 2 and sentence in done.stderr
    assert not (tmp_path / "home/x").exists()
