"""``merbench.audit``: what in a data set makes scores on it mean less than they seem to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from merbench.api.plural import count_of
from merbench.bench.python_function import python_function
from merbench.bench.python_session import catalog, homes

if TYPE_CHECKING:
    import pandas as pd

    from merbench.data.audit.audit import Audit


@dataclass(frozen=True, eq=False)  # summaries hold arrays, which have no one truth
class AuditResult:
    """``audit``: labels by split, streams and findings, with the numbers behind them."""

    audit: Audit

    def to_pandas(self) -> pd.DataFrame:
        """One row a finding, the gravest first: level (leak, suspicion, warning or note), about
        and sentence.
        """
        import pandas as pd

        rows = [(f.level, f.about, f.sentence) for f in self.audit.findings]
        return pd.DataFrame(rows, columns=["level", "about", "sentence"])

    def __repr__(self) -> str:
        return f"<audit of {self.audit.name}: {count_of(len(self.audit.findings), 'finding')}>"


@python_function
def audit(name: str, data: str | Path | None = None) -> AuditResult:
    """Twin texts and shared videos across splits, labels, gaps, dead dimensions, padding, and
    streams that know labels they should not. Nothing is changed.

    RequestError where the data set is not on this machine. Example::

        merbench.audit("mosi").to_pandas()
    """
    from merbench.data.audit.audit import audit as audit_corpus
    from merbench.engine.plan.datasets import open_dataset

    return AuditResult(audit_corpus(open_dataset(catalog(), name, homes(data))))
