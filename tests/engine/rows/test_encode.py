"""A frozen encoder runs once, and nobody can tell: same predictions, same weights, whatever
interrupted it.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch

from merbench.analyses.generalise import generalise
from merbench.analyses.predict import apply
from merbench.analyses.robust import robust
from merbench.analyses.trained import trained
from merbench.api import RunError, Stream
from merbench.api.events import (
    EncodingCounts,
    EncodingNotes,
    EncodingStarted,
    Note,
    RowsEncoded,
)
from merbench.data.encoder_cache.cache import Cache
from merbench.data.folder.inputs import read_inputs
from merbench.engine.build import build
from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.engine.rows import encode, encode_by_length, encoded_with
from merbench.engine.rows.corrupt import Damage
from merbench.engine.rows.encode import encoded, fixed, with_cached
from merbench.engine.rows.splits import Fold
from merbench.results.store.store import Store
from merbench.runs.run import Machine, run
from merbench.testing import tiny
from merbench_encoders.clip.faces import Box, Faces
from merbench_encoders.clip.image import ClipImage
from merbench_encoders.clip.text import ClipText
from tests.clips import frame, number, tone, write_clip
from tests.kills import resumes
from tests.towers import tiny_clap, tiny_clip

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def towers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("towers")
    clip = {"model": "tiny-clip", "pretrained": str(tiny_clip(folder))}
    audio = {"model": str(tiny_clap(folder)), "window": 0.25, "hop": 0.25}
    settings = {
        f"encoder.{m}.{k}": v
        for m, part in (("text", clip), ("video", clip), ("audio", audio))
        for k, v in part.items()
    }
    return (
        settings
        | {f"label_encoder.{k}": v for k, v in clip.items()}
        | {"train.epochs": 2, "train.batch_size": 8}
    )


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """The tiny corpus with clips: row 1 has none, row 2 has no sound, row 3 is no clip at all."""
    corpus, folder = tiny.corpus(), tmp_path_factory.mktemp("clips")
    for i in range(len(corpus)):
        frames, wave = [frame((i * 7 + k) % 50) for k in range(4)], tone(0.3, 8000, 200 + 20 * i)
        write_clip(
            folder / f"{i}.mkv", frames, None if i == 2 else wave, rate=8000, sound="pcm_s16le"
        )
    (folder / "3.mkv").write_bytes(b"no clip")
    paths = np.array(["" if i == 1 else str(folder / f"{i}.mkv") for i in range(len(corpus))])
    streams = {
        f"{m}.clip": Stream.of_rows(f"{m}.clip", m, "clip", paths) for m in ("audio", "video")
    }
    protocol = dataclasses.replace(
        corpus.protocols["standard"], streams=("text.transcript", *streams)
    )
    return dataclasses.replace(
        corpus, streams={**corpus.streams, **streams}, protocols={"standard": protocol}
    )


@pytest.fixture
def texts(catalog, towers):
    """A plan that reads many transcripts."""
    corpus = tiny.corpus(size=200)
    settings = {k: v for k, v in towers.items() if k.startswith(("encoder.text", "train"))} | {
        "encoder.text": "clip-text"
    }
    request = Request(
        "merclip", settings=settings, streams={"text": "text.transcript"}, modalities=("text",)
    )
    return resolve(request, catalog, corpus, None)


def small_shards(monkeypatch, steps):
    monkeypatch.setattr(encode_by_length, "BATCHES", 2)
    monkeypatch.setattr(ClipText, "steps_at_once", steps // 2)


def files(root):
    return {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_cached_and_uncached_runs_are_one_run(catalog, towers, clips, tmp_path):
    plan = resolve(Request("merclip", settings=towers), catalog, clips, None)
    assert {slot: p.component.name for slot, p in plan.parts.items() if "encoder" in slot} == {
        "encoder.text": "clip-text", "encoder.audio": "clap", "encoder.video": "clip-image", "label_encoder": "label-clip",
    }  # fmt: skip
    assert fixed(plan) == ("text", "audio", "video")
    events = []
    cache = Cache(tmp_path / "cache")
    plain, cached = Store(tmp_path / "plain"), Store(tmp_path / "kept")
    (want,) = run(plan, clips, [0], plain, Machine(CPU, 1))
    (record,) = run(
        plan,
        clips,
        [0],
        cached,
        Machine(CPU, 1, cache=cache),
        watch=events.append,
    )
    assert (
        want.status == record.status == "done"
        and want.run_id == record.run_id
        and want.spec == record.spec
        and want.contents == record.contents
    )
    np.testing.assert_allclose(
        cached.predictions(record.run_id).prediction,
        plain.predictions(want.run_id).prediction,
        atol=1e-5,
    )
    assert [e["loss"] for e in record.history] == [
        pytest.approx(e["loss"], rel=1e-4) for e in want.history
    ]
    # No sound in row 2, nothing in row 3; both are told by name, and row 1, which has no file, is
    # missing as the data set says.
    notes = {
        e.label: {Path(name).name: note for name, note in e.notes.items()}
        for e in events
        if isinstance(e, EncodingNotes)
    }
    assert notes == {
        "audio.clip through clap": {
            "2.mkv": "no audio track",
            "3.mkv": "cannot be read (Invalid data found when processing input)",
        },
        "video.clip through clip-image": {
            "3.mkv": "cannot be read (Invalid data found when processing input)"
        },
    }
    assert record.measured["audio"] == {"clips_without": 2.0} and want.measured["audio"] == {
        "clips_without": 2.0
    }
    ready = with_cached(plan, cache, CPU)
    assert ready.streams["audio"].length[:4].tolist() == [2, 0, 0, 0] and ready.streams[
        "video"
    ].length[:4].tolist() == [8, 0, 8, 0]


def test_a_filled_cache_needs_no_tower(texts, tmp_path, monkeypatch):
    plan = texts
    first = with_cached(plan, Cache(tmp_path), CPU)
    monkeypatch.setattr(ClipText, "__init__", lambda *_: pytest.fail("the tower was built"))
    again = with_cached(plan, Cache(tmp_path), CPU)
    np.testing.assert_array_equal(first.streams["text"].values, again.streams["text"].values)
    problem = build(
        again, Fold(again.streams, again.task, again.protocol.splits[0], again.lexicon), 0, CPU
    )
    steps = problem.encoders["text"](problem.train.batch(torch.arange(3)).inputs["text"])
    row = again.protocol.splits[0].train[1]
    stream = again.streams["text"]
    np.testing.assert_array_equal(
        steps.x_BLD[1][steps.mask_BL[1]], stream.values[stream.start[row] :][: stream.length[row]]
    )
    assert problem.measured["text"] == {"truncated_rate": 0.0}


def test_other_label_words_need_no_tower_either(texts, tmp_path, monkeypatch):
    store, machine = Store(tmp_path / "store"), Machine(CPU, 1, cache=Cache(tmp_path / "cache"))
    corpus = tiny.corpus(size=200)
    records = run(texts, corpus, [0], store, machine)
    monkeypatch.setattr(ClipText, "__init__", lambda *_: pytest.fail("the tower was built"))
    result = generalise(texts, corpus, records, store, machine, [], "merclip")
    assert result.drift == 0 and result.test[0].scored[0].metrics["mae"] > 0


def test_runs_side_by_side_leave_the_tower_to_another_process(texts, tmp_path, monkeypatch):
    fill, log = encode._fill, tmp_path / "seen"
    monkeypatch.setattr(
        encode, "_fill", lambda *words: [log.write_text(str(os.getpid())), fill(*words)]
    )
    events = []
    machine = Machine(CPU, 1, cache=Cache(tmp_path / "cache"))
    both = run(
        texts,
        tiny.corpus(size=200),
        [0, 1],
        Store(tmp_path / "both"),
        machine,
        jobs=2,
        watch=lambda event: events.append(type(event)),
    )
    assert [r.status for r in both] == ["done", "done"] and EncodingStarted in events
    assert log.read_text() != str(os.getpid()), "a process that has used a GPU cannot be forked"
    monkeypatch.setattr(encode, "_fill", lambda *words: pytest.fail("the tower ran again"))
    alone = run(texts, tiny.corpus(size=200), [0, 1], Store(tmp_path / "alone"), machine)
    assert [r.weights_sha256 for r in both] == [r.weights_sha256 for r in alone]


def test_what_an_encoder_counted_is_told(texts, tmp_path):
    old = texts.streams["text"]
    long = np.where(np.arange(len(old.values)) % 2, " ".join(["film"] * 90), old.values)
    plan = dataclasses.replace(texts, streams={"text": dataclasses.replace(old, values=long)})
    for _ in range(2):  # also where it was encoded before
        events = []
        encoded(plan, "text", Cache(tmp_path), CPU, events.append)
        counts = [e.counts for e in events if isinstance(e, EncodingCounts)]
        assert counts == [{"truncated_rate": 0.5}]


def test_other_versions_of_the_packages_that_made_an_entry_are_told(texts, tmp_path, monkeypatch):
    """By the run and by its record; what is kept is read all the same."""
    machine, corpus = Machine(CPU, 1, cache=Cache(tmp_path / "cache")), tiny.corpus(size=200)
    (first,) = run(texts, corpus, [0], Store(tmp_path / "a"), machine)
    here = {"text": {"open_clip_torch": version("open_clip_torch")}}
    assert first.provenance["encoded_with"] == here and not first.notes
    monkeypatch.setattr(encoded_with, "installed", lambda name: "99.1")
    events = []
    (again,) = run(texts, corpus, [0], Store(tmp_path / "b"), machine, watch=events.append)
    (sentence,) = again.notes
    assert f"with open_clip_torch {here['text']['open_clip_torch']} (here 99.1)" in sentence
    assert [e.sentence for e in events if isinstance(e, Note)] == [sentence]
    assert again.provenance["encoded_with"] == here
    assert (again.run_id, again.weights_sha256) == (first.run_id, first.weights_sha256)


def test_rows_in_another_order_share_an_entry(texts, tmp_path):
    plan = texts
    cache = Cache(tmp_path)
    entry, stream = encoded(plan, "text", cache, CPU)
    old = plan.streams["text"]
    turn = np.random.default_rng(0).permutation(len(old.values))
    other = dataclasses.replace(
        old, values=old.values[turn], start=old.start, length=old.length[turn]
    )
    again, turned = encoded(dataclasses.replace(plan, streams={"text": other}), "text", cache, CPU)
    assert again == entry and len(list(cache.entries())) == 1
    for place, row in enumerate(turn[:20]):
        a, b = (s.values[s.start[i] :][: s.length[i]] for s, i in ((turned, place), (stream, row)))
        np.testing.assert_array_equal(a, b)


def test_what_other_weights_or_another_version_made_is_not_read(texts, tmp_path, monkeypatch):
    """Also where weights of the same name and settings are others."""
    part, keys = texts.parts["encoder.text"], []
    component = dataclasses.replace(part.component, version=part.component.version + 1)
    newer, retrained = dataclasses.replace(part, component=component), dataclasses.replace(part)
    vars(retrained)["pretrained"] = dict.fromkeys(part.pretrained, "0" * 64)

    def fill(cache, plan, modality, about, *_):
        keys.append(about.key)
        raise LookupError

    monkeypatch.setattr(encode, "_encode_into", fill)
    for other in (part, newer, retrained):
        plan = dataclasses.replace(texts, parts={**texts.parts, "encoder.text": other})
        with pytest.raises(LookupError):
            encoded(plan, "text", Cache(tmp_path), CPU)
    assert part.pretrained and len(set(keys)) == 3


def test_a_setting_that_was_added_later_leaves_the_entries_their_names(texts, tmp_path):
    entry, _ = encoded(texts, "text", Cache(tmp_path), CPU)
    config = texts.parts["encoder.text"].config
    assert "apostrophes" in config.model_dump() and "apostrophes" not in entry.config


def test_what_is_trained_is_not_kept(catalog, towers, clips):
    for more in (
        {"encoder.video.tuned": True},
        {"encoder.video.lora_rank": 2},
        {"encoder.video.pretrained": "random"},
    ):
        assert fixed(
            resolve(Request("merclip", settings={**towers, **more}), catalog, clips, None)
        ) == ("text", "audio")
    words = resolve(Request("merclip"), catalog, tiny.corpus(), None)
    assert fixed(words) == () and with_cached(words, Cache(Path("nowhere")), CPU) is words


def test_a_clip_replaced_while_it_is_read_is_not_kept(
    catalog, towers, clips, tmp_path, monkeypatch
):
    plan = resolve(Request("merclip", settings=towers), catalog, clips, None)
    path = Path(str(clips.streams["video.clip"].values[5]))
    content, prepare = path.read_bytes(), ClipImage.prepare

    def replaces(self, rows):
        path.write_bytes(path.with_name("6.mkv").read_bytes())
        return prepare(self, rows)

    monkeypatch.setattr(ClipImage, "prepare", replaces)
    try:
        with pytest.raises(RunError, match=r"5\.mkv was replaced while video\.clip was encoded"):
            encoded(plan, "video", Cache(tmp_path), CPU)
        assert not list(tmp_path.rglob("*.safetensors"))
        encoded(plan, "video", Cache(tmp_path), CPU)
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (RuntimeError("CUDA out of memory\nlong story"), "RuntimeError: CUDA out of memory"),
        (ValueError("no such place"), "ValueError: no such place"),
        (NotImplementedError(), "NotImplementedError"),
    ],
)
def test_a_failing_encoder_is_one_sentence_and_what_was_done_stays(
    error, sentence, texts, tmp_path, monkeypatch
):
    plan = texts
    forward, calls = ClipText.forward, []
    small_shards(monkeypatch, 400)

    def fails(self, inputs):
        calls.append(1)
        if len(calls) == 6:
            raise error
        return forward(self, inputs)

    monkeypatch.setattr(ClipText, "forward", fails)
    where = r"encoder clip-text \(test_encode\.py, line \d+\)"
    with pytest.raises(
        RunError,
        match=rf"text\.transcript through clip-text broke off: {where}: {sentence}; run again",
    ):
        encoded(plan, "text", Cache(tmp_path), CPU)
    events = []
    encoded(plan, "text", Cache(tmp_path), CPU, events.append)
    done = events[0].done
    assert events[0] == EncodingStarted(
        label="text.transcript through clip-text", rows=200, done=done
    )
    assert 0 < done == 200 - sum(e.rows for e in events if isinstance(e, RowsEncoded))


def test_what_was_counted_in_clips_outlives_a_stop(catalog, towers, clips, tmp_path, monkeypatch):
    """Faces, in one frame a clip: found, for this test, where the frame's number is 19 or more."""
    monkeypatch.setattr(
        Faces, "largest", lambda self, image: Box(0, 0, 40, 40) if number(image) > 18 else None
    )
    monkeypatch.setattr(encode_by_length, "DECODED", 8)
    monkeypatch.setattr(encode_by_length, "ROWS_AT_ONCE", 4)
    settings = {**towers, "encoder.video.face": "largest", "encoder.video.frames": 1}
    plan = resolve(Request("merclip", settings=settings), catalog, clips, None)
    uninterrupted, _ = encoded(plan, "video", Cache(tmp_path / "whole"), CPU)
    # The frame that is shown is the third of a clip, and two of the clips are not there.
    without = [i for i in range(len(clips)) if i not in (1, 3) and (i * 7 + 2) % 50 < 19]
    assert (
        uninterrupted.measured
        == {"clips_without": 1.0, "faceless_rate": len(without) / (len(clips) - 2)}
        and 2 < len(without) < 20
    )
    forward, calls = ClipImage.forward, []

    def fails(self, inputs):
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("no more")
        return forward(self, inputs)

    monkeypatch.setattr(ClipImage, "forward", fails)
    with pytest.raises(RunError):
        encoded(plan, "video", Cache(tmp_path / "stopped"), CPU)
    encoded(plan, "video", Cache(tmp_path / "stopped"), CPU)
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")
    plain = resolve(
        Request("merclip", settings={**settings, "encoder.video.face": "none"}),
        catalog,
        clips,
        None,
    )
    assert encoded(plain, "video", Cache(tmp_path / "whole"), CPU)[0].measured == {
        "clips_without": 1.0
    }


def test_killed_at_any_moment_it_ends_with_the_same_bytes(texts, tmp_path, monkeypatch):
    small_shards(monkeypatch, 600)
    (root := tmp_path / "cache").mkdir()

    def whole():
        cache = Cache(root)
        for key, *_ in cache.entries():
            cache.find(key)
        assert not cache.warnings

    resumes(root, lambda: encoded(texts, "text", Cache(root), CPU), whole)


def test_two_processes_fill_one_cache(texts, tmp_path, monkeypatch):
    plan = texts
    small_shards(monkeypatch, 50)
    fork = multiprocessing.get_context("fork")
    pair = [
        fork.Process(target=encoded, args=(plan, "text", Cache(tmp_path / "both"), CPU))
        for _ in range(2)
    ]
    for child in pair:
        child.start()
    for child in pair:
        child.join(600)
    assert [child.exitcode for child in pair] == [0, 0]
    encoded(plan, "text", Cache(tmp_path / "alone"), CPU)
    assert files(tmp_path / "both") == files(tmp_path / "alone")


def test_a_run_that_read_the_cache_is_applied_to_new_clips(catalog, towers, clips, tmp_path):
    """Its model comes back with the towers, which read the clips themselves; the test rows as new
    clips are predicted as they were.
    """
    plan = resolve(Request("merclip", settings=towers), catalog, clips, None)
    store, machine = Store(tmp_path / "store"), Machine(CPU, 1, cache=Cache(tmp_path / "cache"))
    records = run(plan, clips, [0], store, machine)
    rows = plan.protocol.splits[0].test
    paths = [Path(str(clips.streams["video.clip"].values[row])) for row in rows]
    predicted = apply(
        plan, trained(plan, clips, records, store, machine), read_inputs(paths, []), CPU
    )
    assert (
        predicted.missing == ["text"]
        and set(predicted.contribution) == {"audio", "video"}
        and predicted.shares is not None
    )
    dropped = robust(plan, clips, records, store, machine, [(Damage("text", "drop"),)])[1]
    np.testing.assert_allclose(
        predicted.prediction[0], dropped.scored[0].rows.prediction, atol=1e-5
    )
