"""A table as LaTeX (booktabs), ready for ``\\input``."""

from __future__ import annotations

from collections.abc import Sequence

from merbench.report.tables.table import (
    BETWEEN,
    FLOORS,
    Column,
    Row,
    best,
    heading,
    sections,
    shown,
)

_SIGNS = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "–": "--",
    "·": r"$\cdot$",
    "−": r"$-$",
}


def escape(text: str) -> str:
    """Every sign that LaTeX would take for its own; plain pdflatex reads the result."""
    return "".join(_SIGNS.get(sign, sign) for sign in " ".join(text.split("\n")))


def to_latex(
    title: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    *,
    name: str = "model",
    notes: Sequence[str] = (),
) -> str:
    """A ``table*`` as wide as the text, which needs ``booktabs`` and ``graphicx``: ranked rows,
    then each group under its name.

    The best of a column is bold.
    """
    bold = best(columns, rows)
    lines = [_line([escape(name), *(escape(heading(column)) for column in columns)]), r"\midrule"]
    for group, members in sections(rows):
        if group:
            lines += [
                r"\midrule",
                rf"\multicolumn{{{len(columns) + 1}}}{{l}}{{\textit{{{escape(group)}}}}} \\",
            ]
        for row in members:
            texts = [
                BETWEEN.join(_cell(*shown(row, column, key, bold)) for key in column.keys)
                for column in columns
            ]
            lines.append(_line([_name(row), *texts]))
    body = "\n".join(lines)
    below = "".join(f"\\par {escape(note)}\n" for note in notes)
    return (
        "% needs \\usepackage{booktabs,graphicx}\n\\begin{table*}\n"
        f"\\caption{{{escape(title)}}}\n\\resizebox{{\\textwidth}}{{!}}{{%\n"
        f"\\begin{{tabular}}{{l{''.join('l' if column.text else 'r' for column in columns)}}}\n"
        f"\\toprule\n{body}\n\\bottomrule\n\\end{{tabular}}}}\n"
        f"\\scriptsize\n{below}\\end{{table*}}\n"
    )


def _name(row: Row) -> str:
    """A floor stands among the ranked rows, in italics."""
    text = escape(row.shown_name)
    return rf"\textit{{{text}}}" if row.group == FLOORS else text


def _cell(text: str, strong: bool) -> str:
    return rf"\textbf{{{escape(text)}}}" if strong else escape(text)


def _line(cells: Sequence[str]) -> str:
    """LaTeX would take ``[`` or ``*`` after the end of the line before for an option of it."""
    text = " & ".join(cells)
    return ("{}" if text.lstrip()[:1] in ("[", "*") else "") + text + r" \\"
