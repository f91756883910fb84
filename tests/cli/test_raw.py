"""Raw clips from a folder to predictions: a synthetic MOSI in MMSA's form, through every command,
with tiny towers.
"""

from __future__ import annotations

import csv

import numpy as np
import pytest

from merbench.testing import tiny
from tests.clips import write_clip
from tests.conftest import loads
from tests.towers import tiny_clap, tiny_clip

RATE = 8000
MODES = ("train", "train", "train", "valid", "test")


def moving(draw: np.random.Generator, mood: float, count: int = 20) -> list[np.ndarray]:
    """A bright square that rises where the mood is good, over noise: RGB [48, 64, 3]."""
    frames = []
    for k in range(count):
        image = draw.integers(0, 40, (48, 64, 3), dtype=np.uint8)
        top = int(20 - mood * 6 * k / count)
        image[top : top + 8, 28:36] = 250
        frames.append(image)
    return frames


def speech(draw: np.random.Generator, mood: float, seconds: float = 0.8) -> np.ndarray:
    """[1, S]: a voice's harmonics whose pitch follows the mood, in syllables of 5 a second, with
    breath.
    """
    t = np.arange(round(seconds * RATE)) / RATE
    voice = sum(np.sin(2 * np.pi * (140 + 15 * mood) * h * t) / h for h in range(1, 9))
    return (
        0.15 * voice * (0.55 + 0.45 * np.sin(2 * np.pi * 5 * t))
        + 0.01 * draw.standard_normal(len(t))
    )[None]


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """30 segments of 10 videos: label.csv and Raw/. One clip is silent, one is no clip, one is not
    there.
    """
    folder, draw = tmp_path_factory.mktemp("raw-mosi"), np.random.default_rng(0)
    rows = []
    for i in range(30):
        video, clip, mood = f"vid{i // 3:02d}", str(i % 3 + 1), float(draw.integers(-3, 4))
        path = folder / "Raw" / video / f"{clip}.mp4"
        if i == 4:
            path.write_bytes(b"no clip")
        elif i != 5:
            write_clip(path, moving(draw, mood), None if i == 3 else speech(draw, mood), rate=RATE)
        text = " ".join(draw.choice(tiny.VOCAB[:-1], 5))
        rows.append({"video_id": video, "clip_id": clip, "text": text, "label": mood, "label_T": "", "label_A": "", "label_V": "",
                     "annotation": "Neutral", "mode": MODES[i // 3 % 5]})  # fmt: skip
    with (folder / "label.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def towers(tmp_path_factory):
    """``--set`` of tiny towers in the place of CLIP's and CLAP's."""
    folder = tmp_path_factory.mktemp("towers")
    clip = {"model": "tiny-clip", "pretrained": str(tiny_clip(folder))}
    parts = {
        "encoder.text": clip,
        "encoder.video": clip,
        "label_encoder": clip,
        "encoder.audio": {"model": str(tiny_clap(folder)), "window": 1.0, "hop": 0.5},
    }
    return tuple(
        word
        for slot, part in parts.items()
        for key, value in part.items()
        for word in ("--set", f"{slot}.{key}={value}")
    )


def test_raw_clips_from_a_folder_to_predictions(raw, towers, merbench, tmp_path):
    added = merbench("data", "add", "--name", "rawmosi", str(raw), check=True)
    assert "1 of 30 rows have no clip" in added.stderr + added.stdout
    data = ("--dataset", "rawmosi", *towers)

    encoded = loads(merbench("encode", "--model", "merclip", *data, "--json", check=True).stdout)
    assert [(e["stream"], e["encoder"], e["rows"], e["width"]) for e in encoded] == [
        ("text.transcript", "clip-text", 30, 16), ("audio.clip", "clap", 30, 12), ("video.clip", "clip-image", 30, 16),
    ]  # fmt: skip
    assert [e["measured"] for e in encoded] == [
        {"truncated_rate": 0.0},
        {"clips_without": 2.0},
        {"clips_without": 1.0},
    ]
    again = merbench("encode", "--model", "merclip", *data, check=True)
    assert (
        "encoding" not in again.stderr
        and "audio.clip through clap: 2 of 30 clips are missing or incomplete" in again.stderr
    )
    assert (
        "vid01/1.mp4: no audio track" in again.stderr
        and "vid01/2.mp4: cannot be read" in again.stderr
    )
    kept = loads(merbench("data", "cache", "list", "--json", check=True).stdout)
    assert {e["entry"]["encoder"] for e in kept["entries"]} == {
        "clip-text",
        "clip-image",
        "clap",
    } and kept["cache"].startswith(str(tmp_path))

    run = merbench(
        "run", "--model", "merclip", *data, "--seeds", "1", "--epochs", "3", "--json", check=True
    )
    assert "encoding" not in run.stderr
    (record,) = loads(run.stdout)["runs"]
    parts = {slot: part["name"] for slot, part in record["spec"]["parts"].items()}
    assert [
        parts[s] for s in ("encoder.text", "encoder.audio", "encoder.video", "label_encoder")
    ] == [
        "clip-text",
        "clap",
        "clip-image",
        "label-clip",
    ]
    assert {name.partition(":")[0] for name in record["contents"]} == {
        "data",
        "clip",
        "transformers",
    }
    assert set(record["provenance"]["weights"]) == set(record["contents"]) - {"data"}
    assert record["status"] == "done" and record["measured"]["audio"] == {"clips_without": 2.0}

    clips = [str(raw / "Raw" / "vid04" / f"{k}.mp4") for k in (1, 2)]
    predicted = loads(
        merbench("predict", *clips, "--run", record["run_id"], "--json", check=True).stdout
    )
    assert predicted["missing"] == ["text"] and [row["id"] for row in predicted["rows"]] == [
        "1.mp4",
        "2.mp4",
    ]
    assert all(
        -3 <= row["prediction"] <= 3 and set(row["contribution"]) == {"audio", "video"}
        for row in predicted["rows"]
    )

    first_key = kept["entries"][0]["key"]
    assert "MB freed" in merbench("data", "cache", "clear", first_key[:12], check=True).stderr
    assert (
        len(loads(merbench("data", "cache", "list", "--json", check=True).stdout)["entries"]) == 2
    )
    merbench("data", "cache", "clear", "--dataset", "rawmosi", check=True)
    assert not loads(merbench("data", "cache", "list", "--json", check=True).stdout)["entries"]
    assert "begins with 'zz'" in merbench("data", "cache", "clear", "zz").stderr


def test_there_may_be_nothing_to_encode(merbench):
    result = merbench("encode", "--model", "mult", "--dataset", "sample")
    assert result.returncode == 2 and result.stderr.strip().splitlines()[-1].startswith(
        "error: nothing to encode: no encoder of mult on sample"
    )


def test_sound_needs_no_weights(raw, merbench):
    merbench("data", "add", "--name", "rawmosi", str(raw), check=True)
    words = ("--dataset", "rawmosi", "--modalities", "audio", "--encoder", "audio=log-mel")
    train = ("--set", "encoder.audio.frames=4", "--epochs", "1", "--seeds", "1", "--json")
    done = loads(merbench("run", "--model", "late-fusion-dnn", *words, *train, check=True).stdout)
    (record,) = [r for r in done["runs"] if r["spec"]["model"] == "late-fusion-dnn"]
    assert record["spec"]["parts"]["encoder.audio"]["name"] == "log-mel"
    kept = loads(merbench("data", "cache", "list", "--json", check=True).stdout)["entries"]
    (entry,) = [e["entry"] for e in kept]
    assert (entry["encoder"], entry["width"], entry["rows"]) == ("log-mel", 64, 30)
    assert entry["measured"] == {"clips_without": 2.0}
