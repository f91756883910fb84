"""The committed studies still name the runs of the committed boards: a changed default of a recipe
would give them other ids, and leave those runs without a study.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from merbench.runs.workspace import Sources, Workspace
from merbench.study.file import read_study
from merbench.study.layout import lay_out

BOARDS = Path(__file__).parents[2] / "leaderboards"


@pytest.mark.parametrize(
    ("study", "board"),
    [
        ("related-sample", "sample-sentiment-standard"),
        ("related-emotions", "sample-emotions-standard"),
        ("sample-mentions", "sample-mentions-standard"),
        ("scpnet-mentions", "sample-mentions-standard"),
    ],
)
def test_a_committed_study_names_the_runs_of_its_board(study, board, catalog, store, tmp_path):
    workspace = Workspace(Sources((), (tmp_path,), ()), catalog)
    path = BOARDS / "studies" / f"{study}.toml"
    cells = lay_out(read_study(path), workspace, store, lambda sentence: None)
    named = {run.run_id for cell in cells for run in cell.runs}
    records = [json.loads(path.read_text()) for path in (BOARDS / board / "records").glob("*.json")]
    recorded = {
        {**record["shared"], **run}["run_id"] for record in records for run in record["runs"]
    }
    assert named and not named - recorded
