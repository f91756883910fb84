"""``merbench.score``: predictions that were made outside merbench, checked, scored and kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merbench.api.errors import RequestError
from merbench.bench.python_function import python_function
from merbench.bench.python_session import catalog, homes

if TYPE_CHECKING:
    import pandas as pd

    from merbench.host.catalog import Catalog
    from merbench.report.scores.rows.pooled_seeds import RowCounts
    from merbench.report.scores.statistics.means import Summary
    from merbench.results.records.outside import About
    from merbench.results.records.record import Record, Track


@dataclass(frozen=True)
class ScoreResult:
    """What was kept. ``records``: one a seed and fold. ``summary``: test metric -> mean, sd and n
    over seeds. ``notes``: sentences, such as why no trained model is on the same board.
    ``row_counts``: of the test rows.
    """

    name: str
    track: Track
    records: list[Record]
    summary: dict[str, Summary]
    notes: list[str]
    row_counts: RowCounts

    def to_pandas(self) -> pd.DataFrame:
        """One row a run: run_id, seed, fold, and its test metrics."""
        import pandas as pd

        rows = []
        for record in self.records:
            assert record.metrics is not None
            run = {"run_id": record.run_id, "seed": record.seed, "fold": record.fold}
            rows.append({**run, **record.metrics.test})
        return pd.DataFrame(rows)


@dataclass(frozen=True)
class ScoreOptions:
    """What ``merbench score`` is asked for; the names are the options'."""

    predictions: tuple[Path, ...]
    dataset: str
    name: str
    task: str | None = None
    protocol: str | None = None
    seeds: tuple[int, ...] = ()
    valid: tuple[Path, ...] = ()
    about: Path | Mapping[str, Any] | None = None
    thresholds: str = "fixed:0.5"
    data: Path | None = None
    vectors: tuple[str, ...] = ()
    store: Path = Path("runs")
    force: bool = False


@python_function
def score(
    predictions: str | Path | Sequence[str | Path],
    dataset: str,
    name: str,
    *,
    task: str | None = None,
    protocol: str | None = None,
    seed: int | Sequence[int] = (),
    valid: str | Path | Sequence[str | Path] = (),
    about: str | Path | Mapping[str, Any] | None = None,
    thresholds: str = "fixed:0.5",
    data: str | Path | None = None,
    vectors: Sequence[str] = (),
    store: str | Path = "runs",
    force: bool = False,
) -> ScoreResult:
    """Score files of predictions of the test rows, one a seed, and keep them in ``store``, where
    they stand on the board of their track, marked.

    ``about``: a TOML file or a mapping with what is known of them. RequestError in one sentence for
    the first thing that is wrong; then nothing is kept. Example::

        merbench.score("gpt.csv", "mosi", "gpt-x", about={"streams": ["text.transcript"]})
    """
    options = ScoreOptions(
        predictions=_paths(predictions),
        dataset=dataset,
        name=name,
        task=task,
        protocol=protocol,
        seeds=(seed,) if isinstance(seed, int) else tuple(seed),
        valid=_paths(valid),
        about=Path(about) if isinstance(about, str) else about,
        thresholds=thresholds,
        data=None if data is None else Path(data),
        vectors=tuple(vectors),
        store=Path(store),
        force=force,
    )
    return scored(options, catalog(), homes(data))


def scored(options: ScoreOptions, catalog: Catalog, homes: Sequence[Path]) -> ScoreResult:
    """What the function and the command share."""
    from merbench.data.word_vector_files import open_lexicon
    from merbench.engine.plan.datasets import open_dataset
    from merbench.engine.plan.pick import pick
    from merbench.outside.about import check_name
    from merbench.outside.score import Goal, keep, score
    from merbench.outside.track import track_of
    from merbench.report.scores.rows.pooled_seeds import by_seed, row_counts, summary
    from merbench.report.scores.runs_of_a_store import StoreSource
    from merbench.results.store.store import Store

    check_name(options.name, catalog.names("recipe"))
    files = _by_seed(options)
    about = _about(options)
    store = Store(options.store)
    store.require_writable()
    corpus = open_dataset(catalog, options.dataset, homes)
    task_name, task = pick("task", options.task, corpus.offered, "sentiment", corpus)
    protocol, _ = pick("protocol", options.protocol, corpus.protocols, "standard", corpus)
    lexicon = open_lexicon(options.vectors, homes) if about.pretrained else None
    track = track_of(about, corpus, task_name, protocol, catalog, lexicon)
    metrics = catalog.metrics.of(task.space, task.rank)
    goal = Goal(options.name, about, corpus, track, metrics, options.thresholds)
    records = keep(score(goal, files), store, options.force)
    notes = _notes(track, StoreSource(store).records())
    scored = by_seed(records, store, metrics)
    return ScoreResult(
        options.name, track, records, dict(summary(scored)), notes, row_counts(scored)
    )


def _by_seed(options: ScoreOptions) -> list[Any]:
    from merbench.outside.score import SeedFiles
    from merbench.results.seeds import FIRST_TUNING_SEED

    files, valid = options.predictions, options.valid
    if not files:
        raise RequestError("there is no file of predictions; give one, or one for each seed")
    seeds = options.seeds or tuple(range(len(files)))
    if len(seeds) != len(files) or len(set(seeds)) != len(seeds):
        raise RequestError(
            f"there are {len(files)} files of predictions and seeds "
            f"{', '.join(map(str, seeds))}; give --seed once for each file, or leave it out"
        )
    if any(not 0 <= seed < FIRST_TUNING_SEED for seed in seeds):
        raise RequestError(f"--seed is a number from 0 to {FIRST_TUNING_SEED - 1}")
    if valid and len(valid) != len(files):
        raise RequestError(
            f"there are {len(files)} files of test predictions and {len(valid)} of --valid; "
            "give one for each, in the same order"
        )
    pairs = zip(seeds, files, valid or (None,) * len(files), strict=True)
    return [SeedFiles(seed, test, on_valid) for seed, test, on_valid in pairs]


def _about(options: ScoreOptions) -> About:
    from merbench.outside.about import about_of, read_about
    from merbench.results.records.outside import About

    if options.about is None:
        return About()
    if isinstance(options.about, Path):
        return read_about(options.about)
    return about_of(options.about, "about")


def _notes(track: Track, records: Sequence[Record]) -> list[str]:
    """Why no trained model is on the same board, where there is none."""
    trained = {
        r.track.model_dump_json(): r.track
        for r in records
        if r.outside is None and (r.track.dataset, r.track.task) == (track.dataset, track.task)
    }
    if not trained or track.model_dump_json() in trained:
        return []
    if not track.inputs_known:
        sentence = (
            "these predictions are on a board of their own, because what they were offered is not "
            "stated in full: give streams and pretrained in --about"
        )
        return [sentence]
    alike = [t for t in trained.values() if t.streams == track.streams]
    if not alike:
        return ["no trained model of the store was offered these streams"]
    (lacking, unexpected) = (
        sorted(a.pretrained.keys() - b.pretrained.keys())
        for a, b in ((alike[0], track), (track, alike[0]))
    )
    sentences = [f"lack {', '.join(lacking)}"] if lacking else []
    sentences += [f"have {', '.join(unexpected)} besides"] if unexpected else []
    sentence = (
        "the trained models of the store with these streams are on another board: beside their "
        f"pretrained material, these predictions {' and '.join(sentences or ['have other files'])}"
    )
    return [sentence]


def _paths(paths: str | Path | Sequence[str | Path]) -> tuple[Path, ...]:
    files = [paths] if isinstance(paths, str | Path) else paths
    return tuple(Path(path) for path in files)
