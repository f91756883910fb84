"""The boards in the repository: their pages are what their records give, and their numbers what
predictions and labels give.
"""

from __future__ import annotations

import json
import os
import re
import runpy
from pathlib import Path

import pytest

from merbench.report.folder.written_files import FILE as WRITTEN
from merbench.report.folder.written_files import written
from merbench.report.site.template import shared_files

ROOT = Path(__file__).parents[3] / "leaderboards"
TRANSFERRED = "mosi-sentiment-standard-transcript-covarep73-9e3c9c"
"""One row, which a table of docs/results/mosei-to-mosi.md has beside what stands on no board."""
BUILT = sorted(p.parent for p in ROOT.glob("*/rows.json"))
pytestmark = pytest.mark.skipif(not BUILT, reason="leaderboards/ holds no boards yet")


verified = pytest.mark.skipif(
    "MERBENCH_DATA" in os.environ, reason="the labels are here: verify draws and scores all of it"
)


@verified
def test_the_committed_pages_are_those_of_the_committed_runs():
    from merbench.report.folder.read import read, titled
    from merbench.report.pictures.plots import CREATOR
    from merbench.report.site.site import site

    made = site(titled([read(path) for path in BUILT]))
    for name, content in made.items():
        kept = (ROOT / name).read_bytes()
        if name.endswith(".svg") and CREATOR.encode() not in kept:
            continue  # another version of matplotlib drew it
        assert kept == content, f"{name}: merbench leaderboard render leaderboards draws it again"
    assert {p.relative_to(ROOT).as_posix() for p in ROOT.glob("*/*.svg")} == {
        n for n in made if n.endswith(".svg")
    }


def test_the_list_of_what_merbench_wrote_names_every_file_of_a_board():
    for folder in BUILT:
        files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
        assert written(folder) == files - {WRITTEN}
    assert written(ROOT) == {"index.html", *shared_files()}


@verified
def test_the_scores_are_those_of_the_present_formulas():
    """Of the generated board, whose labels are here; the others are for ``verify``."""
    from merbench.bench.own_labels import truth_of
    from merbench.cli.shared.session import Session
    from merbench.report.folder.read import read
    from merbench.report.verify.scores import verify_scores

    folder, session = read(ROOT / "sample-sentiment-standard"), Session()
    truth = truth_of(session.catalog, session.dataset("sample", None), folder.board.track)
    assert verify_scores(folder, truth) == [], "merbench leaderboard build computes them again"


def test_the_studies_behind_them_can_be_read():
    from merbench.study.file import read_study

    studies = {path.stem: read_study(path) for path in ROOT.glob("studies/**/*.toml")}
    assert {track.dataset for study in studies.values() for track in study.tracks} <= {
        path.name.split("-")[0] for path in BUILT
    }


def test_tables_of_the_documentation_show_what_the_boards_hold():
    tables = runpy.run_path(str(ROOT.parent / ".ci/tables.py"))
    pages = [page.name for page, _ in tables["out_of_date"]()]
    assert not pages, "python .ci/tables.py writes them again"
    shown = {folder for page in tables["pages"]() for folder in tables["boards"](page)}
    assert shown >= {path.name for path in BUILT} - {TRANSFERRED}


def _rows(text: str, heading: str) -> list[dict[str, str]]:
    """The rows of the pipe table whose first column has this heading."""
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text[text.index(f"| {heading} |") :].splitlines()
    ]
    end = next((n for n, cells in enumerate(lines) if len(cells) == 1), len(lines))
    return [dict(zip(lines[0], cells, strict=True)) for cells in lines[2:end]]


def test_the_table_of_label_encoders_shows_what_the_boards_hold():
    page = (ROOT.parent / "docs/results/label-encoder.md").read_text()
    computed = []
    for folder, name in [
        ("mosi-sentiment-standard", "merclip no-label-encoder tuned"),
        ("mosi-sentiment-standard", "merclip no-label-encoder untuned"),
        ("mosi-sentiment-folds", "merclip no-label-encoder tuned"),
        ("mosi-sentiment-folds", "merclip no-label-encoder untuned"),
        ("mosi-sentiment-folds-transcript-covarep73-c3d100", "merclip no-label-encoder"),
        ("mosei-sentiment-standard-transcript-be9ef8", "merclip no-label-encoder"),
        ("mosei-sentiment-standard", "merclip no-label-encoder"),
        ("sample-sentiment-standard", "merclip no-label-encoder"),
    ]:
        test = json.loads((ROOT / folder / "scores.json").read_bytes())["ablations"][name]
        change, low, high = (f"{value:+.3f}" for value in test["difference"])
        p_values = (f"{test[key]:.3f}" for key in ("p", "p_adjusted"))
        computed.append((change, f"[{low}, {high}]", *p_values))
    assert [tuple(row.values())[1:] for row in _rows(page, "track")] == computed


def test_it_is_small():
    assert sum(p.stat().st_size for p in ROOT.rglob("*") if p.is_file()) < 40e6


def test_a_clean_checkout_verifies(merbench):
    if not (home := os.environ.get("MERBENCH_DATA")):
        pytest.skip("MERBENCH_DATA is not set: the labels of MOSI and MOSEI are not here")
    done = merbench("leaderboard", "verify", str(ROOT), "--data", str(Path(home).resolve()))
    assert done.returncode == 0, done.stdout
    assert len(re.findall("nothing wrong", done.stderr)) == len(BUILT)
