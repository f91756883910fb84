"""STUDY.toml and what it is laid out to."""

from __future__ import annotations

from textwrap import dedent

import numpy as np
import pytest

from merbench.api import DataError, RequestError
from merbench.runs.workspace import Sources, Workspace
from merbench.study import file as study_file
from merbench.study.file import StudyFile, read_study
from merbench.study.layout import lay_out
from tests.tiny_runs import STUDY

MOODS = """
name = "moods"
task.mood = { column = "mood", kind = "class", words = ["glad", "sad"] }
[streams."text.transcript"]
modality = "text"
kind = "strings"
column = "text"
[protocols.standard]
column = "mode"
streams = ["text.transcript"]
"""


@pytest.fixture
def read(tmp_path):
    def read(text: str) -> StudyFile:
        (tmp_path / "S.toml").write_text(text)
        return read_study(tmp_path / "S.toml")

    return read


@pytest.fixture
def cells(read, home, catalog, store):
    def cells(text: str, tell=lambda sentence: None):
        return lay_out(read(text), Workspace(Sources((), (home,), ()), catalog), store, tell)

    return cells


def test_the_file_of_the_documentation_is_read(read):
    assert study_file.__doc__
    study = read(dedent(study_file.__doc__.partition("In full::\n")[2]))
    assert study.seeds == list(range(10)) and [m.name for m in study.models] == ["tfn", "merclip"]
    assert study.settings == {"train.epochs": 30} and study.models[1].settings == {"train.lr": 5e-4}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("train.lr = 1", {"train.lr": 1}),
        ('"train.lr" = 1', {"train.lr": 1}),
        (
            "train = { lr = 1, lr_factors = { encoder = 0.1 } }",
            {"train.lr": 1, "train.lr_factors": {"encoder": 0.1}},
        ),
        (
            "encoder = { width = 8, text = { width = 4 } }",
            {"encoder.width": 8, "encoder.text.width": 4},
        ),
        ('encoder.text = "word-bilstm"', {"encoder.text": "word-bilstm"}),
        ('"encoder.text" = { width = 4 }', {"encoder.text.width": 4}),
        ("objective.task.weight = 2", {"objective.task.weight": 2}),
        (
            "stage.main = { epochs = 2, lr_factors = { fusion = 2 } }",
            {"stage.main.epochs": 2, "stage.main.lr_factors": {"fusion": 2}},
        ),
        (
            "view.weak.noise.share = 1\nview.strong = 'crop'",
            {"view.weak.noise.share": 1, "view.strong": "crop"},
        ),
        ('label-encoder = "label-table"', {"label_encoder": "label-table"}),
    ],
)
def test_settings_may_be_written_as_tables(read, written, meant):
    assert (
        read(f"models = ['tfn']\n[settings]\n{written}\n[[tracks]]\ndataset = 'tiny'").settings
        == meant
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("seeds = 3", "the key 'models' is missing; write models ="),
        ("models = ['tfn']", "the key 'tracks' is missing; write [[tracks]]"),
        ("modles = ['tfn']\n[[tracks]]\ndataset = 'tiny'", "the key 'models' is missing"),
        (
            "models = ['tfn']\nseedz = 3\n[[tracks]]\ndataset = 'tiny'",
            "unknown key 'seedz'; did you mean 'seeds'?",
        ),
        (
            "models = ['tfn']\nepochs = 3\n[[tracks]]\ndataset = 'tiny'",
            "unknown key 'epochs'; it is settings.train.epochs",
        ),
        (
            "models = ['tfn']\n[[tracks]]\ndataset = 'tiny'\nprotocl = 'x'",
            "unknown key 'tracks[1].protocl'; did you mean 'protocol'?",
        ),
        (
            "models = [{ name = 'tfn', setings = {} }]\n[[tracks]]\ndataset = 'tiny'",
            "unknown key 'models[1].setings'; did you mean 'settings'?",
        ),
        ("models = ['tfn']\nseeds = -1\n[[tracks]]\ndataset = 'tiny'", "a number of seeds is 1 to"),
        (
            "models = ['tfn']\nseeds = '10'\n[[tracks]]\ndataset = 'tiny'",
            "seeds does not fit: write a number of seeds",
        ),
        ("models = ['tfn']\nseeds = 900000000\n[[tracks]]\ndataset = 'tiny'", "seeds does not fit"),
        (
            "models = ['tfn']\nseeds = [1000000000]\n[[tracks]]\ndataset = 'tiny'",
            "seeds[1] does not fit",
        ),
        ("models = ['tfn']\nseeds = [1.5]\n[[tracks]]\ndataset = 'tiny'", "seeds[1] does not fit"),
        (
            "models = ['tfn']\nseeds = 3\n[[tracks]]\ndataset = 'tiny'\nstreams = { smell = 'x' }",
            "tracks[1].streams",
        ),
        (
            "models = ['tfn']\nsettings.dataset.train = 5\n[[tracks]]\ndataset = 'sample'",
            'stands in its name, such as dataset = "sample:train=5" of [[tracks]]',
        ),
        (
            "models = ['tfn']\n[[tracks]]\ndataset = 'tiny'\nmodalities = []",
            "tracks[1].modalities does not fit",
        ),
        (
            "models = ['tfn']\n[settings]\ntrain.lr = 1\n'train.lr' = 2\n[[tracks]]\ndataset = 'x'",
            "settings does not fit: train.lr is given twice; give it once",
        ),
        *(
            (f"models = ['tfn']\n[tune]\n{wrong}\n[[tracks]]\ndataset = 'x'", "S.toml: tune.")
            for wrong in (
                "trials = true",
                "trials = '3'",
                "budget_seconds = true",
                "budget_seconds = inf",
                "seeds_per_trial = true",
            )
        ),
        ("models = [", "is not TOML"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(read, text, sentence):
    with pytest.raises(DataError) as error:
        read(text)
    assert (
        sentence in str(error.value)
        and "S.toml" in str(error.value)
        and "\n" not in str(error.value)
    )


ONE = "models = ['tfn']\n"
TRACK = "[[tracks]]\ndataset = 'tiny'\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"{ONE}{TRACK}modalities = []", "tracks[1].modalities does not fit: give at least 1"),
        (
            f"{ONE}{TRACK}modalities = ['smell']",
            "tracks[1].modalities[1] does not fit: give 'text'",
        ),
        (f"{ONE}{TRACK}modalities = 'text'", "tracks[1].modalities does not fit: give a list"),
        (f"{ONE}{TRACK}streams = {{ smell = 'x' }}", "streams.smell does not fit: give 'text'"),
        (f"{ONE}{TRACK}streams = {{ text = 3 }}", "streams.text does not fit: give a text"),
        (f"{ONE}{TRACK}missing = {{ any = true }}", "missing.any does not fit: give a rate such"),
        (f"{ONE}{TRACK}missing = {{ any = [0.5] }}", "missing.any does not fit: give a rate such"),
        (f"{ONE}{TRACK}allow_leak = 1", "allow_leak does not fit: give true or false"),
        (f"{ONE}tracks = []", "tracks does not fit: give at least 1 in the list"),
        (f"{ONE}tracks = ['tiny']", "tracks[1] does not fit: give names with their values"),
        (f"models = []\n{TRACK}", "models does not fit: give at least 1 in the list"),
        (f"models = 'tfn'\n{TRACK}", "models does not fit: give a list"),
        (f"{ONE}seeds = []\n{TRACK}", "seeds does not fit: give at least 1 in the list"),
        (f"{ONE}seeds = [-1]\n{TRACK}", "seeds[1] does not fit: give at least 0"),
        (f"{ONE}seeds = ['1']\n{TRACK}", "seeds[1] does not fit: give a whole number"),
        (f"{ONE}seeds = true\n{TRACK}", "seeds does not fit: write a number of"),
        (f"{ONE}ablations = [3]\n{TRACK}", "ablations[1] does not fit: give a text"),
        (f"{ONE}floors = 'no'\n{TRACK}", "floors does not fit: give true or false"),
        (f"{ONE}settings.train.lr = 2026-01-01\n{TRACK}", "settings.train.lr does not fit: give a"),
        (f"{ONE}vectors = 'glove'\n{TRACK}", "vectors does not fit: give a list"),
        (f"{ONE}tune.trials = 0\n{TRACK}", "tune.trials does not fit: give at least 1"),
        (f"{ONE}tune.trials = '30'\n{TRACK}", "tune.trials does not fit: give a whole number"),
        (f"{ONE}tune.budget_seconds = 0\n{TRACK}", "budget_seconds does not fit: give more than 0"),
        (f"{ONE}tune.budget_seconds = true\n{TRACK}", "budget_seconds does not fit: give a number"),
        (f"{ONE}tune.sampler = 'x'\n{TRACK}", "tune.sampler does not fit: give 'tpe', 'random'"),
        (f"{ONE}tune = 3\n{TRACK}", "tune does not fit: give names with their values"),
    ],
)
def test_what_a_key_takes_is_said_in_words_that_help(read, text, sentence):
    with pytest.raises(DataError) as error:
        read(text)
    assert sentence in str(error.value) and "nput" not in str(error.value)


def test_a_seed_that_is_named_twice_is_one(read):
    assert read("models = ['tfn']\nseeds = [3, 0, 3]\n[[tracks]]\ndataset = 'tiny'").seeds == [3, 0]


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="is not a file"):
        read_study(tmp_path / "S.toml")


def test_every_model_variant_and_track_has_its_runs_once(cells):
    found = cells(STUDY)
    assert [(c.plan.spec.protocol, c.label) for c in found] == [
        (protocol, model)
        for protocol in ("standard", "folds")
        for model in ("late-fusion-dnn", "lmf", "tfn")
    ]
    assert [len(c.runs) for c in found] == [3] * 3 + [9] * 3
    assert len({u.run_id for c in found for u in c.runs}) == 36
    assert [c.label for c in cells(STUDY.replace('"lmf", "tfn"', '"late-fusion-dnn"'))] == [
        "late-fusion-dnn"
    ] * 2


def test_a_model_that_reads_a_track_by_its_own_settings_alone_is_laid_out(cells):
    """There are no word vectors, so KGGR's label graph has to learn its own."""
    both = (
        '"late-fusion-dnn", { name = "kggr", settings = { "label_encoder.vectors" = "learned" } }'
    )
    labels = [c.label for c in cells(STUDY.replace('"lmf", "tfn"', both))]
    assert labels.count("kggr") == 2
    with pytest.raises(
        RequestError, match=r"^kggr: label-graph reads word vectors and this run has none"
    ):
        cells(STUDY.replace('"tfn"', '"kggr"'))


def test_floors_come_along_with_one_seed(cells):
    found = {c.label: c for c in cells(STUDY.replace("floors = false", ""))}
    assert found["majority"].seeds == (0,) and found["ridge"].seeds == (0,)
    assert "tfidf-ridge" not in found, "there is no text to read"
    assert "svr" not in found, "it is run by its name"
    named = STUDY.replace("floors = false", "").replace('"lmf"', '"svr"')
    assert {c.label: c.seeds for c in cells(named)}["svr"] == (0,)


def test_floors_have_every_seed_where_each_draws_other_train_rows(cells):
    drawn = STUDY.replace("floors = false", "").replace(
        "[[tracks]]", "[[tracks]]\nmissing = { audio = 0.5 }", 1
    )
    for floor in ("majority", "ridge"):
        assert [c.seeds for c in cells(drawn) if c.label == floor] == [(0, 1, 2), (0,)]


def test_a_floor_that_cannot_read_the_labels_is_left_out_with_a_sentence(
    read, catalog, store, tmp_path
):
    folder = tmp_path / "moods"
    folder.mkdir()
    rows = [
        f"v{k},0,a film,{('glad', 'sad')[k % 2]},{('train', 'valid', 'test')[k % 3]}"
        for k in range(12)
    ]
    (folder / "label.csv").write_text("\n".join(["video_id,clip_id,text,mood,mode", *rows]))
    (folder / "dataset.toml").write_text(MOODS)
    np.savez(tmp_path / "few.npz", word=np.array(["film", "glad"]), vector=np.eye(2, dtype="f4"))
    study = read("models = ['majority']\nseeds = 1\n[[tracks]]\ndataset = 'moods'")
    sentences: list[str] = []
    sources = Sources((), (tmp_path,), (str(tmp_path / "few.npz"),))
    cells = lay_out(study, Workspace(sources, catalog), store, sentences.append)
    assert [cell.label for cell in cells] == ["majority", "ridge", "tfidf-ridge"]
    (sentence,) = sentences
    assert sentence.startswith(
        "left out floor zero-shot: no word of the label text of 'sad' has a vector"
    )


def test_ablations_all_or_by_name(cells):
    sentences = []
    found = [
        c.label
        for c in cells(STUDY.replace("seeds = 3", 'seeds = 1\nablations = "all"'), sentences.append)
    ]
    assert {"tfn", "tfn no-products"} <= set(found)
    named = [
        c.label for c in cells(STUDY.replace("seeds = 3", 'seeds = 1\nablations = ["no-products"]'))
    ]
    assert "tfn no-products" in named and "late-fusion-dnn no-products" not in named
    with pytest.raises(RequestError, match="did you mean 'no-products'"):
        cells(STUDY.replace("seeds = 3", 'ablations = ["no-product"]'))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"tfn"', '"tfm"', "did you mean 'tfn'"),
        ('"folds"', '"fold"', "did you mean 'folds'"),
        ('dataset = "tiny"\n[[', 'dataset = "tinny"\n[[', "tinny"),
        ("epochs = 2", "epoch = 2", "did you mean 'train.epochs'"),
        ('video = "video.x"', 'video = "video.y"', "did you mean 'video.x'"),
        ('"tfn"]', '"text-only"]', "text-only needs"),
    ],
)
def test_names_and_settings_that_do_not_fit_are_told(cells, old, new, sentence):
    assert old in STUDY
    with pytest.raises(RequestError) as error:
        cells(STUDY.replace(old, new))
    assert sentence in str(error.value)


def test_a_model_that_one_track_cannot_feed_is_left_out_there_and_told(cells):
    sentences = []
    found = cells(STUDY.replace('streams = { video = "video.x" }', ""), sentences.append)
    assert [(c.plan.spec.protocol, c.label) for c in found if c.label == "tfn"] == [
        ("standard", "tfn")
    ]
    assert len([t for t in sentences if t.startswith("left out tfn")]) == 1


def test_a_model_may_stand_twice_beside_a_track_that_cannot_feed_it(cells):
    """With other settings: as many refusals as there are tracks, and all of them of one."""
    twice = STUDY.replace('"tfn"]', '"tfn", { name = "tfn", settings.train.lr = 0.01 }]')
    sentences = []
    labels = [
        c.label
        for c in cells(twice.replace('streams = { video = "video.x" }', ""), sentences.append)
    ]
    assert labels.count("tfn") == 2
    assert sum(sentence.startswith("left out tfn") for sentence in sentences) == 2


def test_thresholds_are_of_tracks_with_labels(cells):
    """A study has one policy; on a score it has no effect, and makes no other run."""
    plain, tuned = (
        cells(more + STUDY) for more in ("", 'thresholds = "tuned_on_valid_per_label"\n')
    )
    assert [c.runs for c in plain] != [c.runs for c in tuned], "as they were asked for"
    assert [r.run_id for c in plain for r in c.runs] == [r.run_id for c in tuned for r in c.runs]
