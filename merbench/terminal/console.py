"""The consoles on which tables and progress are drawn."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from merbench.api.control_characters import printable


class PrintableConsole(Console):
    """Draws with control characters of its own, and lets none through that stand in the texts."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style)


def console(stderr: bool = False, **options: Any) -> PrintableConsole:
    stream = sys.stderr if stderr else sys.stdout
    return PrintableConsole(file=getattr(stream, "unfiltered", stream), **options)
