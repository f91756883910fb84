"""The tables of boards, as they are printed."""

from __future__ import annotations

from collections.abc import Sequence

from merbench.api.plural import count_of
from merbench.cli.shared.output import out, room, show
from merbench.report.tables.board_sheet import Sheet
from merbench.report.tables.latex import to_latex
from merbench.report.tables.table import sections, to_markdown
from merbench.report.tables.terminal import table


def text_of(form: str, sheets: Sequence[Sheet], most: int) -> str:
    """``form``: text (with the colours of the terminal, and ``most`` rows of each section), md or
    latex.
    """
    if form == "text":
        return _drawn(sheets, most)
    layout = to_markdown if form == "md" else to_latex
    texts = [layout(page.title, page.columns, page.rows, notes=page.notes) for page in sheets]
    return "".join(f"{text}\n" for text in texts)


def _drawn(sheets: Sequence[Sheet], most: int) -> str:
    console = out()
    with console.capture() as captured:
        for number, page in enumerate(sheets):
            if number:
                console.print()
            notes = [*page.notes, *_more(page, most)]
            drawn = table(page.title, page.columns, page.rows, notes=notes, width=room(), most=most)
            show(drawn, console=console)
    return captured.get()


def _more(page: Sheet, most: int) -> list[str]:
    more = sum(max(0, len(members) - most) for _, members in sections(page.rows))
    every = f"--rows {len(page.rows)} or --format csv shows every row"
    return [f"{count_of(more, 'more row')}: {every}"] if more else []
