"""One description, three renderings."""

from __future__ import annotations

import io
import math

import pytest
from rich.console import Console

from merbench.report.tables.table import Cell, Column, Row, metric_columns, to_markdown
from merbench.report.tables.terminal import table
from merbench.results.metrics import BUILT_IN
from merbench.testing.tiny import EMOTIONS, SENTIMENT

SCORE, LABELS = BUILT_IN.of(SENTIMENT), BUILT_IN.of(EMOTIONS)
COLUMNS = (Column("seeds", ("seeds",), leaves=1), *metric_columns(SCORE, SCORE.headline))
ROWS = [
    Row("mean", {"mae": Cell(0.4), "corr": Cell(math.nan)}, "floors"),
    Row(
        "a|b [red]x[/red]",
        {
            "seeds": "10",
            "mae": Cell(0.9512, 0.0121, 10),
            "acc2_has0": Cell(0.7712, 0.01),
            "acc2_non0": Cell(0.81, 0.02),
        },
    ),
    Row(
        "second",
        {
            "seeds": "10",
            "mae": Cell(0.9711, math.nan, 1),
            "acc2_has0": Cell(0.79),
            "acc2_non0": Cell(0.802),
            "corr": Cell(None),
        },
    ),
    Row("all", {"mae": Cell(0.1, low=0.05, high=0.15)}, "best possible"),
]


def at_terminal(drawn, width=200, colour=False):
    console = Console(
        width=width,
        file=io.StringIO(),
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
    )
    console.print(drawn)
    return console.file.getvalue()


def markdown_cells(text):
    """Name -> the texts of its cells."""
    lines = [line.replace("\\|", "¦") for line in text.splitlines() if line.startswith("|")]
    return {
        cells[0]: cells[1:]
        for cells in ([c.strip() for c in line.strip("|").split("|")] for line in lines)
    }


def test_the_two_conventions_stand_together_and_the_scales_are_the_fields():
    assert [c.title for c in COLUMNS] == [
        "seeds",
        "MAE",
        "Corr",
        "Acc-2 has0 / non0",
        "F1 has0 / non0",
        "Acc-5",
        "Acc-7",
    ]
    assert [(c.digits, c.scale) for c in COLUMNS[1:]] == [(3, 1), (3, 1), *[(1, 100)] * 4]
    assert metric_columns(SCORE, ["acc2_non0", "mae", "acc2_has0"])[1].keys == (
        "acc2_has0",
        "acc2_non0",
    )
    assert metric_columns(SCORE, ["acc2_non0"])[0].keys == ("acc2_non0",)
    assert metric_columns(LABELS, ["weighted_f1.happy"])[0].title == "weighted F1 (happy)"
    assert [c.best for c in metric_columns(SCORE, ["mae", "corr"])] == ["lowest", "highest"]


COST = tuple(Column(key, (key,), leaves=3) for key in ("trainable", "training", "tuning"))
WIDE = (*COLUMNS, *COST)


def at_width(width, name="merclip tuned"):
    values = {key: Cell(0.912, 0.123) for c in COLUMNS[1:] for key in c.keys}
    costs = {"seeds": "10", "trainable": "232k", "training": "30 s", "tuning": "30 trials, 18 min"}
    rows = [Row(name, costs | values), Row("majority", values, "floors")]
    return at_terminal(table("MOSI", WIDE, rows, width=width), width)


def heading_words(text):
    """Of the headings, which may stand in two lines above the rule."""
    above = text.partition("──")[0]
    return {*above.split()}


@pytest.mark.parametrize("width", [200, 120, 100, 80])
@pytest.mark.parametrize("name", ["mult", "merclip no-label-guided-prediction"])
def test_at_a_terminal_nothing_doubles_a_row_and_what_has_no_room_is_named(width, name):
    text = at_width(width, name)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    table_lines = text.partition("left out in")[0].splitlines()
    lines = [line for line in table_lines if line.strip().startswith((name, "majority"))]
    assert [line.split()[0] for line in lines] == [name.split()[0], "majority"]
    assert all("0.912" in line for line in lines)  # each row is one line
    assert [line for line in table_lines if "0.912" in line] == lines
    left_out = " ".join(text.partition("left out in")[2].split())
    shown = heading_words(text)
    for column in WIDE:
        assert {*column.title.split()} <= shown or column.title.partition(" / ")[0] in left_out
    assert ("0.912 ± 0.123" in text) != ("± deviations" in left_out)
    assert bool(left_out) == (width < 200 or name != "mult")


def test_costs_leave_first_and_the_usual_four_metrics_stay_longest():
    wide, narrow = (heading_words(at_width(width)) for width in (120, 80))
    for words in (wide, narrow):
        assert words >= {"MAE", "Corr", "Acc-2", "Acc-7"}
        assert not words & {"trainable", "training", "tuning"}
    assert {"has0", "non0"} <= wide
    assert "non0" in narrow and not narrow & {"has0", "F1"}  # half of the pair, in one line


@pytest.mark.parametrize("width", [80, 100, 120])
def test_long_settings_become_letters_before_a_row_is_folded_or_a_usual_metric_leaves(width):
    texts = ["text tower fine-tuned, searched: 8 trials", "text tower frozen, not searched"]
    values = {key: Cell(0.912, 0.123) for c in COLUMNS[1:] for key in c.keys}
    rows = [Row(f"m{i}", {**values, "settings": texts[i % 2], "seeds": "10"}) for i in range(4)]
    columns = (Column("settings", ("settings",), text=True), *WIDE)
    text = at_terminal(table("MOSI", columns, rows, width=width), width)
    body, _, notes = text.partition("settings: ")
    assert heading_words(text) >= {"settings", "MAE", "Corr", "Acc-2", "Acc-7"}
    lines = [line.split()[:2] for line in body.splitlines() if "0.912" in line]
    assert lines == [["m0", "a"], ["m1", "b"], ["m2", "a"], ["m3", "b"]]
    assert " ".join(notes.split()).startswith(f"a = {texts[0]}; b = {texts[1]}")
    whole = at_terminal(table("MOSI", columns, rows, width=250), 250)
    assert texts[0] in whole and "a = " not in whole


def test_the_metric_that_ranks_comes_first_and_stays_where_it_is_none_of_the_usual():
    columns = metric_columns(SCORE, SCORE.headline, "f1_non0")
    assert columns[0].keys == ("f1_has0", "f1_non0") and not columns[0].leaves
    assert metric_columns(SCORE, SCORE.headline, "mae") == metric_columns(SCORE, SCORE.headline)
    assert metric_columns(LABELS, ["micro_f1", "map"], "map")[0].keys == ("map",)


def test_without_a_width_nothing_is_left_out():
    assert "left out" not in at_terminal(table("MOSI", COLUMNS * 3, ROWS), 500)


HOSTILE = [
    "=1+1",
    "+cmd",
    "-x",
    "@sum",
    "\t=1",
    "<b>x</b>",
    "<script>",
    "&lt;",
    "a < b & c",
    "a\nb",
]


def test_markdown_has_no_html_but_its_own():
    rows = [Row(name, {"mae": Cell(0.5)}) for name in HOSTILE]
    text = to_markdown("<i>t", [Column("MAE", ("mae",))], rows, notes=["<img src=x>"])
    assert "<b>" not in text and "<script" not in text and "<i>" not in text and "<img" not in text
    assert "&lt;b>x&lt;/b>" in text and "&amp;lt;" in text and "a < b & c" in text and "a b" in text


def test_a_name_in_markdown_is_no_link():
    rows = [Row("[x](javascript:y)", {"mae": "[x]: javascript:y"})]
    text = to_markdown("t", [Column("MAE", ("mae",), text=True)], rows, notes=["[x](data:y)"])
    assert "](" not in text.replace("\\](", "") and "]:" not in text.replace("\\]:", "")


def test_markdown():
    cells = markdown_cells(to_markdown("MOSI", COLUMNS, ROWS, notes=["± 2.6 points"]))
    assert list(cells) == [
        "model",
        "---",
        "*mean* (floors)",
        "a¦b [red]x[/red]",
        "second",
        "*all* (best possible)",
    ]
    assert cells["---"] == ["---:"] * len(COLUMNS)
    assert cells["a¦b [red]x[/red]"] == [
        "10",
        "**0.951 ± 0.012**",
        "–",
        "77.1 ± 1.0 / **81.0 ± 2.0**",
        "– / –",
        "–",
        "–",
    ]
    assert cells["second"] == ["10", "0.971", "–", "**79.0** / 80.2", "– / –", "–", "–"]
    assert cells["*mean* (floors)"][1] == "0.400"  # lower than all, and not ranked
    assert cells["*all* (best possible)"][1] == "0.100 [0.050, 0.150]"
    assert to_markdown("MOSI", COLUMNS, ROWS, notes=["± 2.6 points"]).startswith(
        "### MOSI\n\n| model | seeds | MAE ↓ | Corr ↑ |"
    )
    assert to_markdown("MOSI", COLUMNS, ROWS, notes=["± 2.6 points"]).endswith("\n\n± 2.6 points\n")


def test_equal_as_shown_is_equally_best_and_one_row_is_no_contest():
    tied = [
        Row(name, {"mae": Cell(mean)})
        for name, mean in (("a", 0.95001), ("b", 0.94999), ("c", 0.951))
    ]
    columns = metric_columns(SCORE, ["mae"])
    assert to_markdown("", columns, tied).count("**0.950**") == 2
    assert (
        to_markdown("", columns, [*tied, Row("floor", {"mae": Cell(0.95)}, "floors")]).count(
            "**0.950**"
        )
        == 2
    )
    assert "**" not in to_markdown("", columns, tied[:1])
    assert "**" not in to_markdown("", [Column("p", ("mae",))], tied)
    assert "| 0.000 |" in to_markdown("", columns, [Row("a", {"mae": Cell(-1e-9)})])


def test_terminal_shows_what_markdown_shows():
    shown = at_terminal(table("MOSI", COLUMNS, ROWS, notes=["± 2.6 points"]))
    for name, cells in markdown_cells(to_markdown("MOSI", COLUMNS, ROWS)).items():
        if name == "---":
            continue
        name = name.replace("¦", "|").replace("*", "").replace(" (floors)", " (floor)")
        name = name.replace(" (best possible)", "")
        line = next(line for line in shown.splitlines() if line.strip().startswith(name + "  "))
        assert line.split() == " ".join([name, *cells]).replace("*", "").split()
    order = [
        shown.index(text)
        for text in ("MOSI", "mean", "second", "best possible", "all", "± 2.6 points")
    ]
    assert order == sorted(order)


def test_terminal_aligns_numbers_to_the_right():
    columns = [Column("long heading", ("x",), 0)]
    lines = at_terminal(
        table("", columns, [Row("a", {"x": Cell(1)}), Row("b", {"x": Cell(1000)})])
    ).splitlines()
    ends = [len(line.rstrip()) for line in lines if line.strip()[:2] in ("a ", "b ", "mo")]
    assert len(ends) == 3
    assert len(set(ends)) == 1


def test_best_is_bold_and_groups_are_dim_at_a_terminal():
    shown = at_terminal(table("", COLUMNS, ROWS), colour=True)
    bold, dim = "\x1b[1m", "\x1b[2m"
    assert f"{bold}0.951 ± 0.012" in shown
    assert f"77.1 ± 1.0 / {bold}81.0 ± 2.0" in shown
    assert f"{bold}0.971" not in shown
    assert dim in next(line for line in shown.splitlines() if "0.400" in line)
    assert dim not in next(line for line in shown.splitlines() if "0.971" in line)


def test_no_rows():
    assert "MAE" in at_terminal(table("MOSI", COLUMNS, []))
    assert to_markdown("MOSI", COLUMNS, []).count("\n|") == 2
