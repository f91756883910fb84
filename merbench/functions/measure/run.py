"""``merbench.run``: train and score a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

from merbench.api.plural import count_of
from merbench.bench.options import RunKeywords
from merbench.bench.python_function import python_function
from merbench.bench.python_session import open_bench

if TYPE_CHECKING:
    import pandas as pd

    from merbench.report.scores.statistics.means import Summary
    from merbench.results.records.record import Record, Track


@dataclass(frozen=True)
class RunResult:
    """The runs of one model. ``records``: one a seed and fold. ``summary``: test metric -> mean, sd
    and n over seeds.
    """

    model: str
    track: Track
    records: list[Record]
    summary: dict[str, Summary]

    @property
    def failed(self) -> list[Record]:
        return [record for record in self.records if record.status == "failed"]

    def to_pandas(self) -> pd.DataFrame:
        """One row a run: run_id, seed, fold, status, seconds, and its test and valid metrics."""
        import pandas as pd

        return pd.DataFrame([_row(record) for record in self.records])

    def __repr__(self) -> str:
        runs = count_of(len(self.records), "run")
        values = ", ".join(f"{name} {s.mean:.3f}" for name, s in list(self.summary.items())[:4])
        return f"<{self.model} on {self.track.title}: {runs}; {values}>"


@python_function
def run(
    model: str = "merclip", dataset: str | None = None, **keywords: Unpack[RunKeywords]
) -> RunResult:
    """Train and score ``model`` over seeds and folds; what the store holds already is not run
    again.

    ``dataset`` None is MOSI where it is on the machine, else the generated control set.
    RequestError in one sentence for what does not fit. Example::

        merbench.run("tfn", "mosi", seeds=10, settings={"train.lr": 5e-4}).to_pandas()
    """
    from merbench.bench.bench import label
    from merbench.report.scores.rows.pooled_seeds import by_seed, summary

    bench, options = open_bench("run", model, dataset, dict(keywords))
    plan = bench.plan(options.request)
    records = bench.run(plan, options.seeds)
    scores = summary(by_seed(records, bench.store, plan.metrics))
    return RunResult(label(plan), plan.track, records, dict(scores))


def _row(record: Record) -> dict[str, Any]:
    metrics = record.metrics
    return {
        "run_id": record.run_id,
        "model": record.spec.model,
        "ablation": record.spec.ablation,
        "dataset": record.spec.dataset,
        "seed": record.seed,
        "fold": record.fold,
        "status": record.status,
        "seconds": record.cost.seconds if record.cost else None,
        **(metrics.test if metrics else {}),
        **({f"valid_{k}": v for k, v in metrics.valid.items()} if metrics else {}),
    }
