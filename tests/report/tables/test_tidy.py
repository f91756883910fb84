"""A csv of results in a spreadsheet: texts stay texts."""

from __future__ import annotations

import csv
import io

from merbench.report.tables.tidy import to_csv

FORMULAS = ["=1+1", "+cmd", "-x", "@sum", "\t=1", "plain"]


def test_a_spreadsheet_takes_no_text_for_a_formula():
    rows = [{"model": name, "mae": -0.5} for name in FORMULAS]
    cells = list(csv.DictReader(io.StringIO(to_csv(rows))))
    names = [row["model"] for row in cells]
    assert [name.removeprefix("'") for name in names] == FORMULAS
    assert not any(name.startswith(("=", "+", "-", "@", "\t", "\r")) for name in names)
    assert {row["mae"] for row in cells} == {"-0.5"}, "a negative number stays one"
