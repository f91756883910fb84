"""Every metric of the suite, in numpy. y = targets, p = predictions; a value that is undefined is
nan (None in a record).

Where a convention is needed, it depends on the targets and never on the model, so that models are
compared on the same labels. Most metrics are functions of sums over rows (``SumMetric``), so that
one definition serves a whole split and a bootstrap of it.
"""

from merbench.results.metrics.registry import BUILT_IN, Registry
from merbench.results.metrics.task import TaskMetrics
from merbench.results.metrics.thresholds import GRID, choose_thresholds, thresholds_of

__all__ = ["BUILT_IN", "GRID", "Registry", "TaskMetrics", "choose_thresholds", "thresholds_of"]
