"""What a stranger has to know of the groups of rows and of each column."""

from __future__ import annotations

from collections.abc import Sequence

from merbench.report.scores.board.board_scores import BoardScores
from merbench.report.scores.rows.entries import Board
from merbench.report.site.board_page.rows import MODELS, TableColumn
from merbench.report.tables.board_sheet import ABLATIONS, OPTIMUM, SUPERSEDED
from merbench.report.tables.table import FLOORS

GROUPS = {
    MODELS: (
        "ranked against each other; a row is one model with one setting, trained anew for each seed"
    ),
    ABLATIONS: (
        "a model with one thing removed or changed, tested against the full model under which it "
        "is folded; not ranked"
    ),
    SUPERSEDED: (
        "results that a later one corrects, as they stood before; what was wrong is said under "
        "Corrections"
    ),
    FLOORS: "simple predictors that a model should beat, set among the models by score; not ranked",
    OPTIMUM: (
        "the best possible predictor that sees no more than this; known, since the data are "
        "generated"
    ),
}
SETTINGS = {
    "fine-tuned": "the pretrained encoder (tower) was trained along with the rest of the model",
    "frozen": "the pretrained encoder kept its weights; only what follows it was trained",
    "with LoRA": "the pretrained encoder kept its weights; low-rank updates to them were trained",
    "searched": "settings found by a search on validation rows, with so many trials",
    "not searched": "settings given beforehand: those of the recipe, or of the study's file",
}
"""Words of ``Entry.shown_settings`` -> meaning."""
COLUMNS = {
    "rank": (
        "by {metric}: 1 + the number of rows that are significantly better; = marks those not "
        "separated from the best (see Notes)"
    ),
    "seeds": "how often a row was trained; the runs differ in their random numbers alone",
    "interval": (
        "where the mean would lie with other seeds and other test videos (bootstrap over "
        "both). They may overlap though two rows differ, for models see the same test rows: "
        "differences are tested in pairs"
    ),
    "trainable": (
        "parameters that training changes: those of a frozen tower are not among them; 0 where "
        "none is trained by gradient"
    ),
    "training": (
        "time by the clock that one seed took, all its folds together, on the hardware named "
        "above; longer where other work ran beside it"
    ),
    "tuning": (
        "settings that were tried, judged by validation rows alone, "
        "and the time of all trials; empty for settings not searched"
    ),
}


def glossary(
    board: Board, scores: BoardScores, groups: Sequence[str], columns: Sequence[TableColumn]
) -> dict[str, str]:
    meanings = {group: GROUPS[group] for group in groups if group in GROUPS}
    shown = " ".join(e.shown_settings for e in board.entries)
    meanings |= {words: text for words, text in SETTINGS.items() if words in shown}
    for column in columns:
        if metric := scores.metrics.get(column.key):
            unit = "in %, " if metric.scale == 100 else ""
            better = "higher" if metric.higher_is_better else "lower"
            summary = metric.summary.replace("acc2_", "Acc-2 ")
            meanings[column.title] = f"{summary} ({unit}{better} is better)"
        else:
            meaning = COLUMNS[column.key]
            meanings[column.title] = meaning.format(metric=scores.ranks_by.title)
    if board.kind in ("score", "joint"):
        meanings["y, p"] = "target and prediction of a row"
    return meanings
