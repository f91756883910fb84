"""Label rows as the SDK has them: the sentiment, and six emotions behind it or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from merbench.api import Sink
from merbench_datasets.common_tasks_and_streams import EMOTIONS
from merbench_datasets.form_settings import Labelled
from merbench_datasets.label_scale import cells, label_cells, label_task


@dataclass(frozen=True)
class LabelRows:
    """``columns``: of the table. ``task``: of the column ``label``. ``emotions``: the columns of
    emotions, none where there are none.
    """

    columns: dict[str, list[str]]
    task: dict[str, Any]
    emotions: tuple[str, ...]


def read_label_rows(sink: Sink, labels_NC: np.ndarray, config: Labelled.Config) -> LabelRows:
    """``labels_NC``: [N, 1] or [N, 7]. The sink is notified of what describes them."""
    sentiment_N = labels_NC[:, 0]
    task = label_task(sink, sentiment_N, config)
    columns = {"label": label_cells(sink, sentiment_N, task)}
    emotions = EMOTIONS if labels_NC.shape[1] == 7 else ()
    for k, emotion in enumerate(emotions):
        columns[emotion], _ = cells(labels_NC[:, 1 + k])
    if emotions:
        sink.note(f"its seven labels are read in the SDK's order: sentiment, {', '.join(emotions)}")
    return LabelRows(columns, task, emotions)
