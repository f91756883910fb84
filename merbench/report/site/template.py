"""Pages from templates. Styles and scripts of a folder of boards lie in files beside its index,
which all its pages share; a page that is sent alone has them inside.
"""

from __future__ import annotations

import json
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from merbench.api.control_characters import json_printable

SHARED = {
    "style.css": ("style.css",),
    "board.js": ("page.js", "numbers.js", "scatter.js", "detail.js", "board.js"),
    "predictions.js": ("page.js", "numbers.js", "labels.js", "predictions.js"),
    "page.js": ("page.js",),
    "live.js": ("live.js",),
}
"""File that pages ask for -> the templates that it is made of."""
BESIDE_PAGES = ("style.css", "board.js", "predictions.js")
"""What ``shared_files`` has; the others are for pages that are served."""
_TEMPLATES = PackageLoader("merbench.report.site")


def render(template: str, shared: str | None = None, **values: Any) -> str:
    """``shared``: address of the folder of ``shared_files``, as ``../``; None sets styles and
    scripts into the page.
    """
    env = Environment(
        loader=_TEMPLATES,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def style() -> Markup:
        if shared is None:
            return Markup(f"<style>\n{_source('style.css')}\n</style>")
        return Markup('<link rel="stylesheet" href="{}style.css">').format(shared)

    def script(name: str) -> Markup:
        if shared is None:
            return Markup(f"<script>\n{_source(name)}\n</script>")
        # Where the file is not there, the page is what readers without scripts see.
        missing = "document.documentElement.className = ''"
        tag = Markup('<script src="{}{}" onerror="{}"></script>')
        return tag.format(shared, name, missing)

    return env.get_template(template).render(style=style, script=script, **values)


def shared_files() -> dict[str, bytes]:
    """Name -> content of the files that pages of a folder of boards share."""
    return {name: _source(name).encode() for name in BESIDE_PAGES}


def _source(name: str) -> str:
    env = Environment(loader=_TEMPLATES)
    return "\n".join(_TEMPLATES.get_source(env, part)[0] for part in SHARED[name])


def script_data(value: Any) -> Markup:
    """JSON that no browser can take for the end of its script element, and no terminal obeys."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(json_printable(text.replace("<", "\\u003c")))
