"""``--text-tower``: every model on one text encoder, and the floors with it in one track."""

from __future__ import annotations

import dataclasses
import json

import pytest

from merbench.api import RequestError
from merbench.engine.plan.model_names import advice
from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.functions.look.show import shown
from merbench.testing import tiny
from tests.tiny_runs import SAMPLE
from tests.towers import tiny_text

WORDS = {"tfidf-ridge", "zero-shot"}
"""What counts words, or compares word vectors, goes on doing so."""


@pytest.fixture(scope="module")
def tower(tmp_path_factory):
    return str(tiny_text(tmp_path_factory.mktemp("tower")))


@pytest.fixture(scope="module")
def corpus():
    return tiny.corpus()


@pytest.fixture(scope="module")
def plan(catalog, corpus, tower):
    def plan(model, **more):
        request = Request(model, text_tower=tower, **more)
        return resolve(request, catalog, corpus, tiny.lexicon())

    return plan


def test_every_model_reads_transcripts_through_the_tower(plan, catalog, tower):
    tracks = set()
    for name in catalog.names("recipe"):
        resolved = plan(name)
        spec, recipe = resolved.spec, catalog.recipe(name)
        tracks.add(resolved.track.model_dump_json())
        if "text" not in spec.streams or name in WORDS:
            assert not any(part.name == "hf-text" for part in spec.parts.values())
            continue
        assert spec.streams["text"] == "text.transcript", name
        assert spec.parts["encoder.text"].name in ("hf-text", "hf-inside", "hf-masked"), name
        assert spec.parts["encoder.text"].config["model"] == tower
        if recipe.label_encoder in ("label-vectors", "label-clip"):
            assert spec.parts["label_encoder"].name == "label-hf", name
            assert spec.parts["label_encoder"].config["model"] == tower
    (track,) = tracks
    assert '"transformers:bert"' in track
    assert plan("majority").track.title.endswith(" · bert")


def test_ablations_and_settings_go_over_the_tower(plan):
    parts = plan("merclip", ablations=("label-random",)).spec.parts
    assert parts["label_encoder"].name == "label-random"
    assert "label_encoder" not in plan("merclip", ablations=("no-label-encoder",)).spec.parts
    tuned = plan("merclip", settings={"encoder.text.tuned": True, "label_encoder.text": "gloss"})
    assert tuned.spec.parts["encoder.text"].config["tuned"]
    assert tuned.spec.parts["label_encoder"].config["text"] == "gloss"
    both = plan("merclip", ablations=("tuned-encoders",)).spec.parts
    assert both["encoder.text"].config["tuned"] and both["label_encoder"].config["tuned"]


def test_what_a_recipe_says_of_its_own_encoder_is_left_out_with_a_tower(catalog, corpus, tower):
    """Settings of one data set and ablations name fields of a transformer over words."""
    n_ablations = 0
    for name in catalog.names("recipe"):
        recipe = catalog.recipe(name)
        datasets = {dataset for case in recipe.cases for dataset in case.datasets}
        for dataset in datasets:
            named = dataclasses.replace(corpus, name=dataset)
            resolve(Request(name, text_tower=tower), catalog, named, tiny.lexicon())
        for ablation in recipe.ablations:
            if any(key.startswith("encoder.text.") for key in ablation.settings):
                n_ablations += 1
                request = Request(name, text_tower=tower, ablations=(ablation.name,))
                resolve(request, catalog, corpus, tiny.lexicon())
    assert n_ablations
    for key in ("encoder.text.layers", "encoder.text.layerz"):
        with pytest.raises(RequestError, match=f"unknown setting '{key}'"):
            request = Request("tailor", text_tower=tower, settings={key: 6})
            resolve(request, catalog, corpus, tiny.lexicon())


def test_a_tower_that_the_user_tunes_learns_slowly(plan):
    assert _rates(plan, "text-only") == {}
    assert _rates(plan, "text-only", **{"encoder.text.tuned": True}) == {"encoders.text.net.": 0.05}
    both = {"encoder.tuned": True, "label_encoder.tuned": True}
    assert _rates(plan, "merclip", **both) == {
        "encoders.text.net.": 0.05,
        "label_encoder.net.": 0.05,
    }
    untrained = {"encoder.text.tuned": True, "encoder.text.pretrained": "random"}
    assert _rates(plan, "text-only", **untrained) == {}
    for named in ("encoders.", "encoders.text.net."):
        by_hand = {"encoder.text.tuned": True, "train.lr_factors": {named: 0.3}}
        assert _rates(plan, "text-only", **by_hand) == {named: 0.3}
    # Recipes that tune the tower themselves have named its rate, or train all at one.
    assert _rates(plan, "self-mm") == {
        "encoders.text.net.": 0.05,
        "fusion.read.audio.": 5.0,
        "fusion.read.video.": 5.0,
    }


def test_a_tower_that_the_user_freezes_has_no_rate(plan, catalog, tower):
    """Its weights are outside the model then, where a rate would name nothing."""
    tuning = [n for n in catalog.names("recipe") if "encoders.text.net." in _rates(plan, n)]
    assert len(tuning) > 10
    for name in tuning:
        frozen = _rates(plan, name, **{"encoder.text.tuned": False})
        rest = _rates(plan, name)
        del rest["encoders.text.net."]
        assert frozen == rest, name
    by_hand = {"encoder.text.tuned": False, "train.lr_factors": {"encoders.text.net.": 0.3}}
    assert _rates(plan, "self-mm", **by_hand) == {"encoders.text.net.": 0.3}
    # Named by hand, a tower stays frozen unless it is said to be tuned.
    by_hand = {"encoder.text": "hf-inside", "encoder.text.model": tower}
    assert "encoders.text.net." not in _rates(plan, "self-mm", **by_hand)


def _rates(plan, model, **settings):
    return dict(plan(model, settings=settings).train.lr_factors)


def test_a_tower_keeps_the_rates_that_a_recipe_has_for_its_other_parts(
    plan, catalog, corpus, tower
):
    for name in catalog.names("recipe"):
        if "train.lr_factors" not in catalog.recipe(name).settings:
            continue
        on_tower = plan(name).train.lr_factors
        without = resolve(Request(name), catalog, corpus, tiny.lexicon()).train.lr_factors
        assert {prefix: on_tower.get(prefix) for prefix in without} == dict(without), name


def test_what_a_model_is_on_a_tower_is_shown(catalog, corpus, tower):
    on_tower = shown(catalog, "text-only", corpus, None, tower)
    assert on_tower.parts["encoder.text"][0] == "hf-text"
    assert on_tower.reads == {"text": "text.transcript (strings)"}
    defaults = {setting.name: setting.default for setting in on_tower.settings}
    assert defaults["encoder.text.model"] == tower and defaults["train.by_length"]


def test_recipes_do_on_a_tower_what_suits_it(plan, catalog, corpus, tower):
    pooling = {
        "tower": plan("text-only"),
        "by hand": resolve(
            Request(
                "text-only",
                streams={"text": "text.transcript"},
                settings={"encoder.text": "hf-text", "encoder.text.model": tower},
            ),
            catalog,
            corpus,
            tiny.lexicon(),
        ),
        "words": resolve(Request("text-only"), catalog, corpus, tiny.lexicon()),
    }
    chosen = {name: p.spec.parts["fusion"].config["pooling"] for name, p in pooling.items()}
    assert chosen == {"tower": "attention", "by hand": "attention", "words": "max"}
    assert plan("ridge").spec.parts["encoder.text"].config["pooled"]
    assert not plan("merclip").spec.parts["encoder.text"].config["pooled"]


def test_without_transcripts_a_tower_is_refused(catalog, corpus, tower):
    streams = {n: s for n, s in corpus.streams.items() if s.kind != "strings"}
    offered = tuple(n for n in corpus.protocols["standard"].streams if n in streams)
    protocol = dataclasses.replace(corpus.protocols["standard"], streams=offered)
    bare = dataclasses.replace(corpus, streams=streams, protocols={"standard": protocol})
    with pytest.raises(RequestError, match="--text-tower reads transcripts, and dataset tiny has"):
        resolve(Request("merclip", text_tower=tower), catalog, bare, tiny.lexicon())


def test_a_run_and_its_floors_on_a_tower(merbench, tower, tmp_path):
    options = ("--dataset", SAMPLE, "--text-tower", tower, "--epochs", "1", "--seeds", "1")
    result = merbench("run", "--model", "text-only", *options, check=True)
    title, *rows = result.stdout.splitlines()
    assert " · bert" in title
    for name in ("text-only", "ridge", "tfidf-ridge", "majority"):
        assert any(name in row for row in rows), name
    records = [json.loads(path.read_bytes()) for path in tmp_path.glob("runs/runs/*.json")]
    ridge = next(r for r in records if r["spec"]["model"] == "ridge")
    assert ridge["spec"]["parts"]["encoder.text"]["name"] == "hf-text"
    assert len({json.dumps(record["track"]) for record in records}) == 1


@pytest.mark.parametrize(
    ("slot", "name", "is_advised"),
    [
        ("encoder.text", "minilm", True),
        ("encoder.text", "sentence-transformers/feature-transformer", True),
        ("label_encoder", "minilm", True),
        ("encoder.text", "word-bilsm", False),
        ("encoder.text", "tfn", False),
        ("encoder.audio", "minilm", False),
    ],
)
def test_a_tower_that_is_given_as_a_part_is_answered_with_its_option(
    catalog, corpus, slot, name, is_advised
):
    with pytest.raises(RequestError, match=f"unknown .*'{name}'; .*merbench list") as refusal:
        resolve(Request("merclip", settings={slot: name}), catalog, corpus, tiny.lexicon())
    sentence = f"; a pretrained text encoder is named with --text-tower {name}"
    assert str(refusal.value).endswith(sentence) == is_advised


def test_an_encoder_that_is_given_as_a_tower_is_answered_with_its_option(catalog, corpus):
    with pytest.raises(RequestError, match="which --encoder text=word-bilstm chooses"):
        resolve(Request("tfn", text_tower="word-bilstm"), catalog, corpus, tiny.lexicon())


@pytest.mark.parametrize("name", ["someone/some-model", "wav2vec2-base"])
@pytest.mark.parametrize(
    ("modality", "encoders"), [("audio", "clap or hf-audio"), ("video", "clip-image")]
)
def test_a_model_of_the_hub_in_the_place_of_an_encoder_is_answered_with_both_settings(
    catalog, corpus, modality, encoders, name
):
    slot = f"encoder.{modality}"
    with pytest.raises(RequestError) as refusal:
        resolve(Request("merclip", settings={slot: name}), catalog, corpus, tiny.lexicon())
    assert str(refusal.value).endswith(
        f"; a pretrained model is named with --set {slot}.model={name}, and "
        f"--encoder {modality}={encoders} reads it"
    )


def test_where_no_encoder_reads_models_of_a_modality_there_is_a_way_without(catalog, monkeypatch):
    names = [name for name in catalog.names("encoder") if name not in ("clap", "hf-audio")]
    monkeypatch.setattr(type(catalog), "names", lambda *_: names)
    sentence = advice("encoder.audio", "someone/some-model", catalog)
    assert "no plugin has an encoder that reads a pretrained model of audio" in sentence
    assert "(--stream audio=NAME)" in sentence
