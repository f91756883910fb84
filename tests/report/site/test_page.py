"""The pages, as text."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merbench.api import DataError
from merbench.report.folder.read import read, tracks
from merbench.report.scores.board.board_scores import (
    Origin,
    with_origins,
)
from merbench.report.site.board_page.details import detail
from merbench.report.site.board_page.matrix import pair_matrix
from merbench.report.site.board_page.page import Image, board_page
from merbench.report.site.deduplicated_data import interned
from merbench.report.site.run_facts import facts_of_runs
from merbench.report.site.site import index
from merbench.report.site.titles import readable
from merbench.results.records.record import Track
from tests.report.made import record, spec
from tests.report.site.many_rows import SEEDS, many_rows

SITE = files("merbench.report.site")


def board_at(root, name="standard"):
    return next(read(p) for p in tracks(root) if p.name.endswith(name))


def test_the_page_holds_its_table_without_scripts(root):
    folder = board_at(root)
    text = board_page(folder.board, folder.scores, {}, home="../index.html")
    assert '<th scope="row"' in text and 'aria-sort="none"' in text
    assert not re.search(r"""(src|href)=["']https?:""", text)
    rows = re.findall(r'<tr data-name="([^"]+)" data-group="([^"]+)"(?: data-under="(.+?)")?', text)
    assert rows == [
        ("merclip", "models", ""), ("merclip no-x", "ablations", "merclip"), ("mult", "models", ""), ("ridge", "floors", ""),
    ], "an ablation follows its model"  # fmt: skip


def test_pages_of_a_folder_share_their_styles_and_scripts(root):
    """A page that is sent alone has them inside; one without its script shows its whole table."""
    folder = board_at(root)
    alone = board_page(folder.board, folder.scores, {})
    page = (folder.path / "index.html").read_text()
    assert "--paper: #fff" in alone and "function layOut()" in alone
    assert "--paper: #fff" not in page and "function layOut()" not in page
    for name in re.findall(r'(?:src|href)="\.\./([\w.]+)"', page):
        assert (root / name).is_file(), name
    assert (
        """src="../board.js" onerror="document.documentElement.className = &#39;&#39;\"""" in page
    )


def test_a_floor_stands_among_the_models_by_its_score(root):
    folder = board_at(root)
    rows = folder.scores.rows
    strong = rows | {
        "ridge": rows["ridge"].model_copy(
            update={"seeds": {0: rows["ridge"].seeds[0] | {"mae": 0.55}}}
        )
    }
    text = board_page(folder.board, folder.scores.model_copy(update={"rows": strong}), {})
    assert re.findall('<tr data-name="([^"]+)"', text) == [
        "merclip",
        "merclip no-x",
        "ridge",
        "mult",
    ]


def test_the_page_tells_a_stranger_what_it_shows(root):
    """The split, who is ranked with whom, each column, the interval, the hardware, and the test
    behind a rank in words.
    """
    standard, folds = board_at(root), board_at(root, "folds")
    text = board_page(standard.board, standard.scores, {"x.svg": Image("a picture", 40, 30)})
    for words in (
        "100 train and 20 validation rows, 60 test rows of 12 videos", "<dt>models</dt><dd>ranked", "<dt>floors</dt>", "<dt>ablations</dt>",
        "<dt>MAE, 95 % interval</dt>", "<dt>Acc-7</dt><dd>seven classes", "in %, higher is better", 'src="x.svg" width="40" height="30"',
        "not separated from the best", "CPU, 1 thread (19 runs)", "merclip has the lowest MAE, 0.",
        "the only other row is significantly worse. The strongest floor, ridge, has 1.",
    ):  # fmt: skip
        assert words in text, words
    assert "best possible predictor" not in text and "<dt>searched</dt>" not in text
    assert re.search(
        r"MAE is (0\.\d{3}) worse than that of merclip: paired difference \+\1, 95 % interval "
        r"\[\+0\.\d{3}, \+0\.\d{3}\], sign-flip p = 0\.0312 over seeds, "
        r"corrected p = 0\.0312. Significantly worse\.",
        text,
    )
    assert "2 folds, whose 60 test rows of 12 videos are scored as one set" in board_page(
        folds.board, folds.scores, {}
    )


def test_every_pair_stands_in_the_matrix_with_both_signs(root):
    folder = board_at(root)
    board, scores = folder.board, folder.scores
    (first, (_, worse)), (second, (better, _)) = pair_matrix(scores, board)
    difference = scores.pairs["mult"]["merclip"].difference[0]
    assert (first, second) == ("merclip", "mult")
    assert better.text == f"{difference:+.3f}" and worse.text == f"{-difference:+.3f}"
    assert (worse.verdict, better.verdict) == ("better", "worse"), "merclip errs less"


def test_a_row_names_the_paper_of_its_model_alone(root):
    folder = board_at(root)
    papers = {"merclip": "Song and Cho 2025, arXiv 2506.00903", "other": "not here"}
    address = "https://example.org/x"
    origins = {name: Origin(paper=p, code=address, licence="MIT") for name, p in papers.items()}
    scores = with_origins(folder.scores, folder.board, origins)
    assert scores.papers == {"merclip": papers["merclip"]} and scores.licences == {"merclip": "MIT"}
    entries = {e.name: e for e in folder.board.entries}
    assert detail(entries["merclip no-x"], folder.board, scores)["about"] == {
        "paper": papers["merclip"],
        "code": address,
        "licence of the code": "MIT",
    }
    assert detail(entries["mult"], folder.board, scores)["about"] == {}


def test_nothing_of_a_run_can_end_the_script_or_the_markup(root):
    folder = board_at(root)
    entries = tuple(
        dataclasses.replace(
            e,
            records=tuple(r.model_copy(update={"caveat": "</script><b>x</b>"}) for r in e.records),
        )
        for e in folder.board.entries
    )
    text = board_page(dataclasses.replace(folder.board, entries=entries), folder.scores, {})
    assert "</script><b>" not in text and "<b>x</b>" not in text


@given(st.recursive(st.none() | st.integers(0, 3) | st.text("ab", max_size=50), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)))  # fmt: skip
@settings(max_examples=50)
def test_interned_data_come_back_as_they_were(value):
    value = {"x": value, "y": value, "z": [value]}

    def expand(node, shared):
        if isinstance(node, list):
            return [expand(child, shared) for child in node]
        if not isinstance(node, dict):
            return node
        if "$" in node:
            return expand(shared[node["$"]], shared)
        return {name: expand(child, shared) for name, child in node.items()}

    packed = interned(value)
    assert expand(packed["value"], packed["shared"]) == value


def test_a_run_adds_less_than_300_bytes_to_its_page():
    """So a page of 5,000 runs is under 1.5 MB."""
    board, scores = many_rows(50)
    empty = dataclasses.replace(board, entries=board.entries[:1])
    alone = scores.model_copy(update={"rows": {}, "standings": {}})
    added = len(board_page(board, scores, {})) - len(board_page(empty, alone, {}))
    assert added < 300 * 50 * SEEDS


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ({}, "CMU-MOSI · sentiment · standard split · words + COVAREP"),
        ({"protocol": "folds", "leaks": ["x"]}, "CMU-MOSI · sentiment · folds · words + COVAREP · LEAKS: x"),
        ({"dataset": "mine", "streams": ["a.b"]}, "mine · sentiment · standard split · a.b"),
    ],
)  # fmt: skip
def test_titles_are_those_that_readers_know(title, expected):
    plain = {"dataset": "mosi", "revision": "r", "task": "sentiment", "protocol": "standard", "streams": ["text.words", "audio.covarep73"]}  # fmt: skip
    assert readable(Track(**(plain | title)).title) == expected


def test_streams_that_a_track_can_tell_apart_have_different_names():
    """Those of one task; a stream of another task may have the same name."""
    names = tomllib.loads((SITE / "names.toml").read_text())["streams"]
    for task in ("emotions", "mentions"):
        of_task = [name for stream, name in names.items() if task in stream]
        others = [
            name for stream, name in names.items() if not re.search("emotions|mentions", stream)
        ]
        assert len(set(of_task)) == len(of_task) and len(set(others)) == len(others)


def test_the_bar_of_an_interval_lies_on_the_axis_of_the_ranked_rows(root):
    folder = board_at(root)
    text = board_page(folder.board, folder.scores, {})
    bars = {
        name: [float(end) for end in re.findall(r"--\w:([\d.]+)%", row)]
        for name, row in re.findall(r'<tr data-name="([^"]+)"(.*?)</tr>', text, re.DOTALL)
    }
    intervals = {name: row.intervals["mae"] for name, row in folder.scores.rows.items()}
    low, high = intervals["merclip"][0], intervals["mult"][1]
    assert bars["merclip"][0] == 0 and bars["mult"][2] == 100, "the best and the worst"
    place = 100 * (intervals["mult"][0] - low) / (high - low)
    assert bars["mult"][0] == pytest.approx(place, abs=0.06)
    assert bars["ridge"] == [100, 100, 100], "a floor beyond the axis is set at its end"


def test_an_index_says_whose_boards_these_are(root, tmp_path):
    folders = [read(p) for p in tracks(root)]
    plain = index(folders).decode()
    assert "merclip has the lowest MAE" in plain and "2026-11-20 to 2026-11-25" in plain
    assert re.search(r"</a><i> \[0\.\d+, 0\.\d+\]</i><small>rank 1</small>", plain)
    assert "#row=merclip" in plain
    (root / "about.toml").write_text('title = "Ours"\nrepository = "https://example.org/x"\n')
    text = index(folders).decode()
    assert "<h1>Ours</h1>" in text and "url = {https://example.org/x}" in text
    (root / "about.toml").write_text('tilte = "Ours"\n')
    with pytest.raises(DataError, match=r"about.toml cannot be read .* may hold title, purpose"):
        index(folders)
    (root / "about.toml").unlink()


def test_versions_are_named_from_the_oldest_to_the_newest():
    versions = "0.10.0", "0.9.0"
    records = [record(0, 0.5, spec(), provenance={"merbench": v})[0] for v in versions]
    assert facts_of_runs(records).versions == ("0.9.0", "0.10.0")
