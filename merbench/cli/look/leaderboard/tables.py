"""The tables of boards, as they are printed."""

from __future__ import annotations

from collections.abc import Sequence

from merbench.cli.shared.output import out, room, show
from merbench.report.tables.latex import to_latex
from merbench.report.tables.sheet import Sheet
from merbench.report.tables.table import to_markdown
from merbench.report.tables.terminal import table


def text_of(form: str, sheets: Sequence[Sheet]) -> str:
    """``form``: text (with the colours of the terminal), md or latex."""
    if form == "text":
        return _drawn(sheets)
    layout = to_markdown if form == "md" else to_latex
    texts = [layout(page.title, page.columns, page.rows, notes=page.notes) for page in sheets]
    return "".join(f"{text}\n" for text in texts)


def _drawn(sheets: Sequence[Sheet]) -> str:
    console = out()
    with console.capture() as captured:
        for number, page in enumerate(sheets):
            if number:
                console.print()
            drawn = table(page.title, page.columns, page.rows, notes=page.notes, width=room())
            show(drawn, console=console)
    return captured.get()
