"""A request that does not fit is refused before training, in one sentence that names both sides."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from merbench.api import Ablation, Case, Lexicon, RequestError, Stage, Stream, TrainConfig
from merbench.engine.plan.plan import Request
from merbench.engine.plan.stages import settings_of
from merbench.engine.resolve import resolve
from merbench.testing import tiny
from merbench_baselines.fusions.tfn import TFN


@pytest.fixture(scope="module")
def corpus():
    return tiny.corpus()


@pytest.fixture
def plan(catalog, corpus):
    def make(model="tfn", on=corpus, **request):
        return resolve(Request(model, **request), catalog, on, None)

    return make


def test_every_default_is_filled_in(plan, corpus, catalog):
    spec = plan().spec
    settings = catalog.recipe("tfn").settings
    of_training = {k.removeprefix("train."): v for k, v in settings.items() if "train." in k}
    assert [spec.task] == list(corpus.tasks) and [spec.protocol] == list(corpus.protocols)
    assert spec.parts["fusion"].name == "tfn"
    assert spec.parts["fusion"].config.keys() == TFN.Config.model_fields.keys()
    assert spec.streams == {"text": "text.words", "audio": "audio.tiny", "video": "video.tiny"}
    assert spec.train == TrainConfig(**of_training) and of_training


def test_a_label_without_a_word_vector_is_refused_when_a_run_is_planned(catalog, corpus):
    (file,) = corpus.lexicon.files
    words = tuple(word for word in file.words if word != "neutral")
    ignorant = Lexicon((dataclasses.replace(file, words=words, matrix=file.matrix[: len(words)]),))
    on = dataclasses.replace(corpus, lexicon=ignorant)
    with pytest.raises(RequestError, match="no word of the label text of 'neutral' has a vector"):
        resolve(Request("merclip"), catalog, on, None)
    on = dataclasses.replace(corpus, lexicon=None)
    with pytest.raises(RequestError, match="label-vectors reads word vectors and this run has no"):
        resolve(Request("merclip", modalities=("audio", "video")), catalog, on, None)


def test_a_label_encoder_that_no_part_reads_is_refused(plan):
    with pytest.raises(RequestError, match="label-table is read by no part"):
        plan(settings={"label_encoder": "label-table"})
    queried = plan("merclip", settings={"label_encoder": "label-table", "head": "linear"})
    assert queried.spec.parts["label_encoder"].name == "label-table"


def test_the_users_settings_win_over_the_recipe_and_ablations(plan):
    assert plan(settings={"train.lr": 0.5, "train.batch_size": 7}).spec.train.lr == 0.5
    ablated = plan(ablations=("no-products",)).spec
    assert (
        ablated.parts["fusion"].config["products"] == "single" and ablated.ablation == "no-products"
    )
    both = plan(ablations=("no-products",), settings={"fusion.products": "all"}).spec
    assert both.parts["fusion"].config["products"] == "all"


def test_a_replaced_part_loses_the_settings_that_were_meant_for_the_one_before(plan):
    spec = plan("late-fusion-dnn", settings={"head": "linear"}).spec
    assert spec.parts["head"].name == "linear" and "hidden" not in spec.parts["head"].config


def test_a_shared_encoder_setting_goes_to_every_encoder_that_has_it(plan):
    spec = plan("merclip", settings={"encoder.width": 48}).spec
    assert (
        spec.parts["encoder.audio"].config["width"]
        == spec.parts["encoder.video"].config["width"]
        == 48
    )


def test_the_users_word_on_all_encoders_wins_over_a_variants_on_one(plan):
    def tuned(slot="encoder.text", ablations=("tuned-encoders",), **settings):
        parts = plan("merclip", ablations=ablations, settings=settings).spec.parts
        return parts[slot].config["tuned"]

    assert tuned() and not tuned(**{"encoder.tuned": False})
    assert tuned(**{"label_encoder.tuned": False}), "it is no encoder of a modality"
    assert tuned("label_encoder", **{"encoder.tuned": False})
    assert not tuned("label_encoder", (), **{"encoder.tuned": True})
    for settings in (
        {"encoder.tuned": False, "encoder.text.tuned": True},
        {"encoder.text.tuned": True, "encoder.tuned": False},
    ):
        assert tuned(**settings), "and on one encoder over that on all"


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"model": "tnf"}, "unknown model 'tnf'; did you mean 'tfn'"),
        ({"settings": {"fusion": "tffn"}}, "unknown fusion 'tffn'; did you mean 'tfn'"),
        (
            {"settings": {"fusion.hiden": 3}},
            "unknown setting 'fusion.hiden'; did you mean 'fusion.hidden",
        ),
        (
            {"settings": {"fussion.hidden": 3}},
            "unknown setting 'fussion.hidden'; did you mean 'fusion.hidden'",
        ),
        (
            {"settings": {"model": "ridge"}},
            "model=ridge makes another method of this one; choose it with --model",
        ),
        ({"settings": {"train.lr": "fast"}}, "train.lr='fast' does not fit the training loop"),
        ({"settings": {"train.lr": -1}}, "train.lr=-1"),
        (
            {"settings": {"objective.weight": 1}},
            "a setting of an objective names it: objective.task.FIELD",
        ),
        ({"settings": {"train.nonsense": 1}}, "unknown setting 'train.nonsense'"),
        ({"settings": {"label_encoder.text": "word"}}, "has no label_encoder"),
        ({"settings": {"encoder.nonsense": 1}}, "unknown setting 'encoder.nonsense'"),
        ({"settings": {"fusion": 3}}, "names a part"),
        (
            {"settings": {"encoder.text": None}},
            "encoder.text cannot be none; leave a modality out with --modalities",
        ),
        ({"settings": {"encoder": None}}, "encoder cannot be none"),
        ({"settings": {"objective": 5}}, "objective names one or more"),
        ({"settings": {"objective": [5]}}, "objective names one or more"),
        (
            {"settings": {"objective": None}},
            "model tfn learns by an objective, and this run has none",
        ),
        (
            {"settings": {"train.lr": math.inf}},
            "train.lr=inf does not fit the training loop: a number is to be finite",
        ),
        (
            {"settings": {"train.lr_factors": {"head": math.nan}}},
            "train.lr_factors.head=nan does not fit the training loop",
        ),
        (
            {"settings": {"train.batch_size": 10**20}},
            "train.batch_size=100000000000000000000 does not fit the training loop: a whole number",
        ),
        ({"settings": {"train.lr_factors": {"head": math.inf}}}, "a number is to be finite"),
        (
            {"settings": {"train.lr_factors": {"encoder.text.": 0.1}}},
            "unknown beginning of parameter names 'encoder.text.'; did you mean",
        ),
        ({"settings": {"train.select": "foo"}}, "train.select='foo' is no metric of a score task"),
        (
            {"settings": {"train.select": "accuracy"}, "model": "ridge"},
            "train.select='accuracy' is no metric of a score task",
        ),
        ({"settings": {"head": "label-guided"}}, "label queries"),
        (
            {"settings": {"encoder.text": "features"}},
            "encoder features accepts features, and stream text.words is words",
        ),
        ({"task": "mood"}, "unknown task 'mood'"),
        ({"protocol": "standart"}, "unknown protocol 'standart'; did you mean 'standard'"),
        ({"ablations": ("no-tensor",)}, "unknown ablation 'no-tensor'"),
        ({"modalities": ("text",)}, "needs at least 2 modalities"),
        (
            {"streams": {"audio": "audio.tinny"}},
            "unknown stream 'audio.tinny'; did you mean 'audio.tiny'",
        ),
        ({"streams": {"audio": "video.tiny"}}, "modality is video"),
        ({"thresholds": "fixed:2"}, "fixed:"),
    ],
)
def test_what_does_not_fit_is_refused(plan, request_, sentence):
    with pytest.raises(RequestError) as error:
        plan(**{"model": "tfn", **request_})
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("stage", "sentence"),
    [
        (
            Stage(trains=("encoder.text",)),
            "unknown beginning of parameter names 'encoder.text'; did you mean 'encoders.'",
        ),
        (
            Stage(objectives=("tasks",)),
            "stage main of model tfn learns by objective tasks, and this run does not have it; name it too",
        ),
    ],
)
def test_a_stage_that_would_learn_nothing_is_refused(plan, catalog, monkeypatch, stage, sentence):
    recipe = dataclasses.replace(catalog.recipe("tfn"), stages=(stage,))
    monkeypatch.setattr(type(catalog), "recipe", lambda *_: recipe)
    with pytest.raises(RequestError) as error:
        plan()
    assert sentence in str(error.value)


def test_a_modality_that_is_not_offered_is_refused_by_name(plan, corpus):
    only_text = dataclasses.replace(
        corpus,
        protocols={
            "standard": dataclasses.replace(corpus.protocols["standard"], streams=("text.words",))
        },
    )
    with pytest.raises(RequestError, match="offers text here"):
        plan("ridge", on=only_text, modalities=("audio",))
    others = "--stream audio=audio.tiny or --stream video=video.tiny"
    with pytest.raises(RequestError, match=f"needs at least 2 modalities.*; {others}$"):
        plan("mult", on=only_text)


def leaking(corpus, mode="test"):
    fitted = np.zeros(len(corpus), dtype=bool)
    fitted[getattr(corpus.protocols["standard"].splits[0], mode)[0]] = True
    streams = dict(corpus.streams)
    streams["video.tiny"] = dataclasses.replace(streams["video.tiny"], fitted_on=fitted)
    return dataclasses.replace(corpus, streams=streams)


@pytest.mark.parametrize("mode", ["valid", "test"])
def test_a_stream_fitted_on_labels_of_evaluated_rows_is_refused_unless_allowed_and_then_marked(
    plan, corpus, mode
):
    fitted_on_them = leaking(corpus, mode)
    with pytest.raises(RequestError, match=r"video\.tiny.*--allow-leak"):
        plan(on=fitted_on_them)
    marked = plan(on=fitted_on_them, allow_leak=True)
    assert marked.track.leaks == ["video.tiny"] and marked.spec.allow_leak
    # A model that does not look at that stream is free of it.
    assert plan("text-only", on=fitted_on_them).track.leaks == []


def test_an_encoder_whose_output_is_kept_is_refused_a_stream_whose_rows_have_no_contents(
    plan, monkeypatch
):
    monkeypatch.setattr(
        "merbench.engine.resolve.Part.fixed",
        property(lambda part: part.component.name == "features"),
    )
    with pytest.raises(
        RequestError,
        match=r"for stream audio.tiny of kind 'features' cannot be: .*; declare it without a version",
    ):
        plan("late-fusion-dnn")


def test_transcripts_become_words_where_the_encoder_reads_words(plan):
    resolved = plan("text-only", streams={"text": "text.transcript"})
    assert resolved.streams["text"].kind == "words"
    assert resolved.spec.streams == {"text": "text.transcript"}


def test_the_track_holds_what_was_offered_not_what_was_used(plan):
    assert plan("text-only").track == plan("tfn").track
    assert plan("text-only").contents["data"] != plan("tfn").contents["data"]


def test_content_and_not_the_path_decides_identity(plan, corpus, catalog):
    streams = dict(corpus.streams)
    values = streams["audio.tiny"].values.copy()
    values[0, 0] += 1
    streams["audio.tiny"] = dataclasses.replace(streams["audio.tiny"], values=values)
    changed = dataclasses.replace(corpus, streams=streams)
    assert plan(on=changed).contents != plan().contents
    assert (
        plan(on=changed, modalities=("text", "video")).contents
        == plan(modalities=("text", "video")).contents
    )


def with_clips(corpus, *offered):
    """The corpus with clips that are nowhere; the protocol offers ``offered``."""
    paths = np.array([f"{i}.mp4" for i in range(len(corpus))])
    clips = {f"{m}.clip": Stream.of_rows(f"{m}.clip", m, "clip", paths) for m in ("audio", "video")}
    protocol = dataclasses.replace(corpus.protocols["standard"], streams=offered)
    return dataclasses.replace(
        corpus, streams={**corpus.streams, **clips}, protocols={"standard": protocol}
    )


def test_a_recipe_may_choose_by_all_the_streams_that_are_offered(plan, corpus, monkeypatch):
    monkeypatch.setattr("merbench.engine.run_id_and_track.revision", lambda *_: "")
    untrained = {"label_encoder.pretrained": "random", "encoder.pretrained": "random"}

    def parts(*offered, **request):
        settings = untrained if any("clip" in name for name in offered) else {}
        return {
            slot: p.name
            for slot, p in plan(
                "merclip", with_clips(corpus, *offered), settings=settings, **request
            ).spec.parts.items()
        }

    clips = parts("text.transcript", "audio.clip", "video.clip")
    assert [clips[f"encoder.{m}"] for m in ("text", "audio", "video")] == [
        "clip-text",
        "clap",
        "clip-image",
    ]
    assert clips["label_encoder"] == "label-clip"
    # What is offered decides, not what is read: leaving modalities out is an ablation of nothing
    # else.
    assert (
        parts("text.transcript", "audio.clip", "video.clip", modalities=("text",))["encoder.text"]
        == "clip-text"
    )
    mixed = parts("text.words", "audio.tiny", "video.clip")
    assert [mixed[f"encoder.{m}"] for m in ("text", "audio", "video")] == [
        "word-vectors",
        "feature-transformer",
        "clip-image",
    ]
    features = parts("text.transcript", "audio.tiny", "video.tiny")
    assert (
        features["encoder.text"] == "word-vectors" and features["label_encoder"] == "label-vectors"
    )


def test_every_case_that_applies_is_laid_over_the_recipe(plan, corpus, catalog, monkeypatch):
    cases = (
        Case(datasets=("mosei",), settings={"fusion.width": 8, "train.lr": 2e-3}),
        Case(offers=("audio.features",), settings={"train.lr": 3e-3}),
    )
    recipe = dataclasses.replace(catalog.recipe("lmf"), cases=cases)
    monkeypatch.setattr(type(catalog), "recipe", lambda *_: recipe)
    usual, mosei = plan("lmf"), plan("lmf", dataclasses.replace(corpus, name="mosei"))
    assert [p.spec.parts["fusion"].config["width"] for p in (usual, mosei)] == [64, 8]
    assert usual.train.lr == mosei.train.lr == 3e-3  # the later case, which both data sets are in


def test_rates_of_recipe_cases_ablations_and_stages_are_laid_over_one_another(
    plan, catalog, monkeypatch
):
    usual = catalog.recipe("lmf")
    recipe = dataclasses.replace(
        usual,
        settings={**usual.settings, "train.lr_factors": {"head.": 2.0, "fusion.": 3.0}},
        cases=(Case(offers=("audio.features",), settings={"train.lr_factors": {"fusion.": 4.0}}),),
        ablations=(
            Ablation(
                name="slow",
                summary="a slow encoder",
                settings={"train.lr_factors": {"encoders.": 0.5}},
            ),
        ),
        stages=(Stage(settings={"lr_factors": {"head.": 1.0}}),),
    )
    monkeypatch.setattr(type(catalog), "recipe", lambda *_: recipe)
    slow = plan("lmf", ablations=("slow",))
    assert slow.train.lr_factors == {"head.": 2.0, "fusion.": 4.0, "encoders.": 0.5}
    (stage,) = slow.stages
    assert settings_of(stage, slow.train).lr_factors == {**slow.train.lr_factors, "head.": 1.0}
    by_hand = plan("lmf", settings={"train.lr_factors": {"head.": 0.1}})
    assert by_hand.train.lr_factors == {"head.": 0.1}  # what a user says stands alone


def test_a_metric_that_the_validation_targets_leave_undefined_chooses_nothing(plan, corpus):
    ((name, task),) = corpus.tasks.items()
    on = dataclasses.replace(
        corpus, tasks={name: dataclasses.replace(task, target=task.target + 10)}
    )
    assert (
        plan(on=on).train.select == ""
        and plan(settings={"train.select": "acc2_has0"}).train.select == "acc2_has0"
    )
    with pytest.raises(
        RequestError,
        match=r"acc2_has0 cannot choose epochs: .* undefined on the validation rows of protocol",
    ):
        plan(on=on, settings={"train.select": "acc2_has0"})


@pytest.mark.parametrize("mode", ["train", "valid", "test"])
@pytest.mark.parametrize("kind", ["score", "class", "multilabel"])
def test_a_split_without_a_known_target_is_told_before_training(plan, kind, mode):
    corpus = tiny.corpus(kind)
    task, (split,) = corpus.tasks["task"], corpus.protocols["standard"].splits
    known = np.ones(task.target.shape, dtype=bool)
    known[getattr(split, mode)] = False
    lacking = dataclasses.replace(corpus, tasks={"task": dataclasses.replace(task, known=known)})
    sentence = f"no {mode} row of protocol standard of tiny has a known target; choose another"
    with pytest.raises(RequestError, match=sentence):
        plan("late-fusion-dnn", on=lacking)
