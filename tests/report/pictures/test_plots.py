"""Pictures of a board: nothing lies on anything else, units are those of the table, and a version
of matplotlib stands in each.
"""

from __future__ import annotations

from xml.etree import ElementTree

from merbench.api import TrainConfig
from merbench.report.pictures import plots
from merbench.report.pictures.against_cost import against
from merbench.report.pictures.board import pictures
from merbench.report.pictures.damage_curves import curves
from merbench.report.scores.board.board_scores import BoardScores, facts
from merbench.report.scores.board.ranks import Standing
from merbench.report.scores.board.row_pairs import Comparison
from merbench.report.scores.board.row_scores import RowScores
from merbench.report.scores.rows.entries import Board, Entry
from merbench.results.metrics import BUILT_IN
from merbench.testing.tiny import CLASSES
from tests.report.made import SPACE, record, spec


def test_shares_are_drawn_in_percent_as_in_the_table():
    one, _ = record(0, 0.5, spec(train=TrainConfig()))
    row = RowScores(
        seeds={0: {"weighted_f1": 0.5}, 1: {"weighted_f1": 0.75}},
        intervals={"weighted_f1": (0.4, 0.8)},
    )
    board = Board(one.track, BUILT_IN.of(CLASSES), (Entry((one,)),))
    scores = BoardScores(
        metric="weighted_f1", metrics=facts(BUILT_IN.of(CLASSES)), rows={"merclip": row}, floors=[],
        standings={"merclip": Standing(rank=1)},
        ablations={"merclip no-x": Comparison(against="merclip", difference=(-0.1, -0.2, -0.05), p=0.01,
        p_interval=0.01, p_adjusted=0.01)},
    )  # fmt: skip
    drawn = {name: data.decode() for name, (data, _) in pictures(board, scores, {}).items()}
    assert (
        ">test weighted F1 (%, higher is better)<" in drawn["scores.svg"]
        and ">60<" in drawn["scores.svg"]
    )
    assert (
        "right of 0: the ablation is better" in drawn["ablations.svg"]
        and ">−10.0<" in drawn["ablations.svg"]
    )


def test_curves_share_a_scale_and_say_what_strength_is():
    panels = {
        "text=mask": {"a": [(0.0, 1.0, 0.1, 3), (0.5, 9.0, 0.1, 3)]},
        "audio=noise": {"a": [(0.0, 1.0, None, 1), (1.0, 1.1, None, 1)]},
    }
    text = curves("t", "MAE", panels).decode()
    assert (
        text.count(">8<") == 1
        and "share of its words" in text
        and "sd of noise" in text
        and plots.CREATOR in text
    )


def test_a_picture_of_few_of_many_models_says_so(monkeypatch):
    monkeypatch.setattr("merbench.report.pictures.board.PANELS", 1)
    metrics = BUILT_IN.of(SPACE.label_space())
    entries = tuple(Entry((record(0, 0.5, spec(name))[0],)) for name in ("a", "b"))
    scores = BoardScores(
        metric="mae",
        metrics=facts(metrics),
        rows={},
        floors=[],
        standings={"a": Standing(rank=1), "b": Standing(rank=1)},
    )
    made = pictures(Board(entries[0].first.track, metrics, entries), scores, {})
    assert made["learning.svg"][1].endswith("the first 1 of 2 models")


HOSTILE = ("$\\frac{$_^", "_under", 'a<b>&"', "\U0001f600 \u05d4\u05d8\u05d5\u05d1", "我" * 80)


def test_names_that_mean_something_to_svg_or_to_matplotlib_are_shown_as_they_are():
    lines = {name: plots.Line([1.0, 2.0]) for name in HOSTILE}
    drawn = (
        plots.scores(HOSTILE[0], "MAE", lines, {HOSTILE[2]: 1.0}),
        against(
            "t", "parameters", "MAE", {n: (1.0, lines[n]) for n in lines}, HOSTILE[:1], HOSTILE
        ),
        plots.calibration("t", {name: [(0.0, 1.0)] for name in HOSTILE}),
        curves("t", "MAE", {"text=mask": {name: [(0.0, 1.0, None, 1)] for name in HOSTILE}}),
    )
    for picture in drawn:
        texts = {"".join(node.itertext()) for node in ElementTree.fromstring(picture).iter()}
        assert set(HOSTILE) <= texts


def test_a_sign_that_no_xml_may_hold_is_replaced():
    picture = plots.scores("a\x07b", "MAE", {"m": plots.Line([1.0])}, {})
    assert "a\ufffdb" in "".join(ElementTree.fromstring(picture).itertext())


def test_a_users_settings_of_matplotlib_change_no_picture():
    def drawn():
        return plots.scores("board", "MAE", {"tfn": plots.Line([1.0, 1.1], (0.9, 1.2))}, {})

    usual = drawn()
    with plots.matplotlib.rc_context({"font.size": 20, "lines.linewidth": 7, "axes.grid": True}):
        assert drawn() == usual
