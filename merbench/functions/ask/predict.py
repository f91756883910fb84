"""``merbench.predict``: finished runs applied to new utterances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from merbench.bench.options import RunKeywords
from merbench.bench.python_function import python_function
from merbench.bench.python_session import open_bench

if TYPE_CHECKING:
    import pandas as pd

    from merbench.analyses.predict import Predicted
    from merbench.data.folder.inputs import Inputs


@dataclass(frozen=True)
class Predictions:
    """``predicted``: the predictions of all runs, task by task."""

    inputs: Inputs
    predicted: list[Predicted]

    def to_pandas(self) -> pd.DataFrame:
        """One row an utterance: id, text, the mean score or the probability of each label over the
        runs, ``sd`` of a score, and the modalities that were ``not_seen``.
        """
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for i, name in enumerate(self.inputs.ids):
            row: dict[str, Any] = {"id": name, "text": self.inputs.texts[i]}
            row["not_seen"] = ", ".join(self.predicted[0].not_seen[i])
            for predicted in self.predicted:
                values = predicted.prediction[:, i]
                if values.ndim == 1:
                    row["score"] = float(values.mean())
                    row["sd"] = float(values.std(ddof=1)) if len(values) > 1 else None
                else:
                    row |= dict(zip(predicted.space.words, values.mean(0).tolist(), strict=True))
            rows.append(row)
        return pd.DataFrame(rows)


@python_function
def predict(
    inputs: str | Path | Sequence[str | Path] = (),
    model: str = "merclip",
    dataset: str | None = None,
    *,
    texts: Sequence[str] = (),
    **keywords: Unpack[RunKeywords],
) -> Predictions:
    """Apply the seeds of ``model`` on ``dataset`` to new utterances: a feature folder, a .csv with
    a column text, clips, or ``texts``. What the store lacks is trained first.

    RequestError where the inputs cannot be read, or hold nothing that the model reads. Example::

        merbench.predict(texts=["I loved it"], model="text-only").to_pandas()
    """
    from merbench.analyses.predict import apply
    from merbench.analyses.trained import trained
    from merbench.data.folder.inputs import read_inputs

    paths = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    rows = read_inputs(tuple(Path(path) for path in paths), tuple(texts))
    bench, options = open_bench("predict", model, dataset, dict(keywords))
    plan = bench.plan(options.request)
    records = bench.run(plan, options.seeds)
    runs = trained(plan, bench.corpus, records, bench.store, bench.machine)
    return Predictions(rows, apply(plan, runs, rows, bench.machine.device).single)
