"""One picture for light and dark readers: matplotlib's colours become variables that follow the
reader's theme. Programs that know no CSS variables take the light colour.
"""

from __future__ import annotations

import re

DRAWN_BY = "merbench with matplotlib "
"""How every picture begins to name its maker."""
DARK = {
    "#ffffff": "#0d1117",
    "#000000": "#e6edf3",
    "#b0b0b0": "#8b949e",
    "#8c8c8c": "#9da7b3",
    "#1f77b4": "#58a6ff",
    "#d62728": "#ff7b72",
    "#006400": "#56d364",
    "#0072b2": "#4fb3f0",
}
"""Light colour -> dark colour; others have contrast enough on both grounds."""

_VARIABLES = {light: f"--c{light[1:]}" for light in DARK}


def themed(svg: str) -> str:
    """``fill: #ffffff`` -> ``fill: var(--cffffff, #ffffff)``, and one style sheet that says what
    the variables are in each theme.
    """

    def variable(match: re.Match[str]) -> str:
        name, light = match.groups()
        return f"{name}: var({_VARIABLES[light]}, {light})"

    colours = "|".join(DARK)
    svg = re.sub(rf"\b(fill|stroke): ({colours})\b", variable, svg)
    dark = "; ".join(f"{_VARIABLES[light]}: {colour}" for light, colour in DARK.items())
    ink = "text{fill: var(--c000000, #000000)}"
    sheet = f"{ink} @media (prefers-color-scheme: dark) {{:root {{{dark}}}}}"
    return svg.replace("</style>", f" {sheet}</style>", 1)
