"""``merbench leaderboard verify``: a folder of boards recomputed and checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from merbench.api.plural import count_of
from merbench.cli.shared.named_path import NamedPath
from merbench.cli.shared.options import DATA
from merbench.cli.shared.output import say, show_json
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    from merbench.api.material.corpus import Corpus
    from merbench.report.folder.folder import Folder
    from merbench.report.verify.failure import Failure

    Check = Callable[[], list[Failure]]


@click.command("verify")
@click.argument("folder", type=NamedPath(), default="leaderboards")
@DATA
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Failures and boards that were not checked, as one JSON object on stdout.",
)
@click.pass_obj
def command(session: Session, folder: Path, data: Path | None, as_json: bool) -> None:
    """Compute every number of FOLDER again from its predictions and your own labels, and check the
    rules that its runs must keep.

    Checked: content of the data, run ids, split sizes, metrics, seeds, thresholds, selection on
    validation rows, test rows read last, scores, tables, pictures, pages, and that no row is left
    out which FOLDER/studies/*.toml names. Each failure is reported with its file; exit code 1.
    A board whose data set is not here is not checked: where nothing else is wrong, the exit code
    is 2.

    \b
    Example: merbench leaderboard verify leaderboards
             merbench leaderboard verify contribution --data ../data --json
    """
    from merbench.api.processes import cores, each_apart
    from merbench.cli.look.leaderboard.studies import left_out
    from merbench.report.folder.read import tracks
    from merbench.report.verify.drawn_files import verify_index

    outcome = _Outcome(as_json)
    paths = tracks(folder)
    boards = _readable(folder, paths, outcome)
    corpora: dict[str, Corpus] = {}
    checks: dict[Path, Check] = {}
    studies = folder / "studies"
    if files := sorted(studies.glob("*.toml")):
        named_boards = [(board.path.name, board.board) for board in boards]
        checks[studies] = lambda: list(
            left_out(session, files, data, named_boards, list(corpora.values()))
        )
    checks |= _checks_of_boards(session, data, boards, corpora, outcome)
    failures_of = each_apart(lambda path: checks[path](), list(checks), cores())
    for board in boards:
        if board.path in failures_of:
            failures = failures_of[board.path]
            outcome.report(failures)
            runs = count_of(len(board.records), "run")
            rows = count_of(len(board.board.entries), "row")
            outcome_text = count_of(len(failures), "failure") if failures else "nothing wrong"
            say(f"{board.path}: {runs} in {rows}, {outcome_text}")
    if len(boards) == len(paths):
        outcome.report(verify_index(folder, boards))
    outcome.report(failures_of.get(studies, []))
    if as_json:
        show_json({"failures": outcome.failures, "not_checked": outcome.unchecked})
    raise SystemExit(1 if outcome.failures else 2 if outcome.unchecked else 0)


@dataclass
class _Outcome:
    """The failures that were reported, and the boards that could not be checked."""

    as_json: bool
    """Failures are not printed one by one."""
    failures: list[dict[str, str]] = field(default_factory=list)
    unchecked: list[dict[str, str]] = field(default_factory=list)

    def report(self, failures: Sequence[Failure]) -> None:
        for failure in failures:
            self.failures.append({"file": str(failure.file), "sentence": failure.sentence})
            if not self.as_json:
                click.echo(f"{failure.file}: {failure.sentence}")

    def report_unchecked(self, board: Path, reason: str) -> None:
        self.unchecked.append({"board": str(board), "reason": reason})
        say(f"{board}: not checked: {reason}")


def _readable(root: Path, paths: Sequence[Path], outcome: _Outcome) -> list[Folder]:
    """The boards that can be read; the others are failures."""
    from merbench.api.errors import DataError
    from merbench.report.folder.read import read, titled
    from merbench.report.verify.failure import Failure

    boards = []
    for path in paths:
        try:
            board = read(path)
            board.board  # noqa: B018 - that there is one
        except DataError as error:
            outcome.report([Failure(path, str(error))])
            continue
        boards.append(board)
    try:
        return titled(boards)
    except DataError as error:
        outcome.report([Failure(root, str(error))])
        return boards


def _checks_of_boards(
    session: Session,
    data: Path | None,
    boards: Sequence[Folder],
    corpora: dict[str, Corpus],
    outcome: _Outcome,
) -> dict[Path, Check]:
    """The longest first. ``corpora``: the data sets that are open, each once for all boards."""
    from merbench.api.errors import DataError, MerbenchError
    from merbench.bench.own_labels import corpus_of, truth_of
    from merbench.bench.score_cache import kept_pictures
    from merbench.report.verify.board import verify
    from merbench.report.verify.failure import Failure

    kept = kept_pictures()

    def opened(name: str) -> Corpus:
        if name not in corpora:
            corpora[name] = session.dataset(name, data)
        return corpora[name]

    def check(board: Folder, corpus: Corpus) -> list[Failure]:
        try:
            truth = truth_of(session.catalog, corpus, board.board.track)
            return verify(board, truth, kept)
        except DataError as error:
            return [Failure(board.path, str(error))]

    checks: dict[Path, Check] = {}
    for board in sorted(boards, key=lambda board: -len(board.records)):
        try:
            corpus = corpus_of(opened, board.board.track)
        except MerbenchError as error:
            outcome.report_unchecked(board.path, str(error))
            continue
        checks[board.path] = partial(check, board, corpus)
    return checks
