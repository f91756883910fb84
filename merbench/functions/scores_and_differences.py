"""Lines of scores and their paired differences as a table of pandas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from merbench.report.scores.paired_differences import Difference, Line


def lines_frame(
    lines: Sequence[Line], differences: Mapping[str, Mapping[str, Difference]], name: str
) -> pd.DataFrame:
    """One row a line: its name in the column ``name``, ``reason`` where it has no score, mean test
    metrics, and ``METRIC_difference``, ``_low``, ``_high``, ``_p_adjusted`` where it was compared.
    """
    import pandas as pd

    from merbench.report.scores.rows.pooled_seeds import summary

    rows = []
    for line in lines:
        row: dict[str, object] = {name: line.name, "reason": line.reason}
        row |= {metric: score.mean for metric, score in summary(line.scored).items()}
        for metric, d in differences.get(line.name, {}).items():
            row |= {
                f"{metric}_difference": d.mean,
                f"{metric}_low": d.low,
                f"{metric}_high": d.high,
                f"{metric}_p_adjusted": d.p_adjusted,
            }
        rows.append(row)
    return pd.DataFrame(rows)
