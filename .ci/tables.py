"""``python .ci/tables.py``: writes the tables of README.md and docs/results again, from the boards
in leaderboards/. A table stands between two comments:

    <!-- board FOLDER: COLUMN | COLUMN ... -->              all rows of the board
    <!-- these rows of board FOLDER: COLUMN | ... -->       those that are in the table already
    <!-- /board -->
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TABLE = re.compile(
    r"<!-- (?P<these>these rows of )?board (?P<folder>\S+): (?P<columns>.+?) -->\n"
    r"(?P<lines>.*?)<!-- /board -->",
    re.DOTALL,
)
NAMES = ("model", "settings")
"""Columns that tell a row from the others."""


def main() -> None:
    for page, text in out_of_date():
        page.write_text(text, encoding="utf-8")
        print(f"{page.relative_to(ROOT)}: written")


def out_of_date() -> Iterator[tuple[Path, str]]:
    """Pages whose tables are not the boards', and what they should hold."""
    for page in pages():
        text = page.read_text(encoding="utf-8")
        filled = TABLE.sub(_filled, text)
        if filled != text:
            yield page, filled


def pages() -> tuple[Path, ...]:
    return (ROOT / "README.md", *sorted(ROOT.glob("docs/results/*.md")))


def boards(page: Path) -> list[str]:
    """Folders of those that it has a table of."""
    return [match["folder"] for match in TABLE.finditer(page.read_text(encoding="utf-8"))]


def _filled(match: re.Match[str]) -> str:
    opening, closing = match[0].split("\n", 1)[0], "<!-- /board -->"
    board = (ROOT / "leaderboards" / match["folder"] / "table.md").read_text(encoding="utf-8")
    heading, ruler, *rows = [_cells(line) for line in board.splitlines() if line.startswith("|")]
    columns = [heading.index(name) for name in match["columns"].split(" | ")]
    if match["these"]:
        kept = [_cells(line)[: len(NAMES)] for line in match["lines"].splitlines()]
        rows = [row for row in rows if [row[heading.index(name)] for name in NAMES] in kept]
    lines = (" | ".join(row[column] for column in columns) for row in (heading, ruler, *rows))
    return "\n".join((opening, *(f"| {line} |" for line in lines), closing))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]


if __name__ == "__main__":
    main()
