"""What tables say of a row's settings, in words of the field."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from merbench.report.scores.rows.entries import collect, rows_named
from merbench.results.spec import PartSpec
from tests.report.made import record, spec

SEARCHED = {"study": "s", "trials": 8, "seconds": 60.0}
TOWER = {"tuned": False, "lora_rank": 0}
WORDS = PartSpec(name="word-vectors", config={"tuned": False})


def tower(**changed):
    return PartSpec(name="hf-text", config=TOWER | changed)


def run(model="text-only", encoder=None, tuned_by=None, lr=1e-3, label=None, **changed):
    run_spec = spec(model, lr=lr)
    parts = run_spec.parts | ({"encoder.text": encoder} if encoder else {})
    parts |= {"label_encoder": label} if label else {}
    return record(
        0, 0.5, run_spec.model_copy(update={"parts": parts}), tuned_by=tuned_by, **changed
    )[0]


def board(*runs, floors=()):
    (only_board,) = collect(runs, set(floors))
    return only_board


def shown(*runs, floors=()):
    return {e.title for e in board(*runs, floors=floors).entries}


def test_rows_whose_towers_differ_say_so_whatever_their_model():
    frozen, tuned = run(encoder=tower()), run(encoder=tower(tuned=True), tuned_by=SEARCHED)
    lora = run("mult", tower(lora_rank=8))
    assert shown(frozen, tuned, lora, run("ridge"), floors=["ridge"]) == {
        "text-only (text tower frozen, not searched)",
        "text-only (text tower fine-tuned, searched: 8 trials)",
        "mult (text tower with LoRA of rank 8, not searched)",
        "ridge",
    }
    assert shown(frozen, run(encoder=tower(tuned=True))) == {
        "text-only (text tower frozen)",
        "text-only (text tower fine-tuned)",
    }, "what the towers say is not said twice"
    assert shown(run(encoder=tower(tuned=True)), run("mult", WORDS)) == {
        "text-only (text tower fine-tuned)",
        "mult (word vectors)",
    }


def test_what_stands_behind_a_tower_is_said():
    frozen = [run(encoder=tower(), source_digest=digest) for digest in ("a" * 9, "b" * 9)]
    assert shown(*frozen, run(encoder=tower(tuned=True))) == {
        "text-only (text tower frozen, source aaaaaaa)",
        "text-only (text tower frozen, source bbbbbbb)",
        "text-only (text tower fine-tuned)",
    }


def test_what_all_rows_share_is_not_said():
    assert shown(run(encoder=tower()), run("mult", tower())) == {"text-only", "mult"}
    assert shown(run(tuned_by=SEARCHED), run("mult", tuned_by=SEARCHED)) == {"text-only", "mult"}
    assert shown(run(encoder=WORDS), run("mult")) == {"text-only", "mult"}


def test_other_settings_stay_as_they_are_named():
    assert shown(run(lr=0.001), run(lr=0.002), run(lr=0.1, tuned_by=SEARCHED)) == {
        "text-only (not searched, train.lr=0.001)",
        "text-only (not searched, train.lr=0.002)",
        "text-only (searched: 8 trials)",
    }
    words = [PartSpec(name="label-hf", config=TOWER | {"tuned": t}) for t in (False, True)]
    assert shown(*(run(encoder=tower(), label=w) for w in words)) == {
        "text-only (label_encoder.tuned=False)",
        "text-only (label_encoder.tuned=True)",
    }


def test_rows_are_found_by_what_is_shown():
    two_rows = board(run(encoder=tower()), run(encoder=tower(tuned=True), tuned_by=SEARCHED))
    for entry in two_rows.entries:
        column = f"{entry.label} {entry.shown_settings}"
        for text in (entry.name, entry.title, column):
            assert rows_named(text, two_rows.entries) == [entry]


RUNS = st.builds(
    run,
    st.sampled_from(["a", "b"]),
    st.sampled_from([None, WORDS, tower(), tower(tuned=True), tower(lora_rank=2)]),
    st.sampled_from([None, SEARCHED, SEARCHED | {"trials": 3}]),
    st.sampled_from([0.1, 0.2]),
    st.sampled_from([None, WORDS, tower(), tower(tuned=True)]),
)


@given(st.lists(RUNS, min_size=1, max_size=6, unique_by=lambda r: r.run_id))
@settings(max_examples=40)
def test_titles_of_rows_are_all_different(runs):
    all_rows = board(*runs)
    assert len(set(all_rows.short_titles.values())) == len(all_rows.entries)
