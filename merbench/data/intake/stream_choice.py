"""What a user wants of a source's streams: other names, and some left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from merbench.api.errors import RequestError


@dataclass(frozen=True)
class Choice:
    """``renamed``: name in the source -> name here; ``without``: names in the source of those that
    are left out.
    """

    renamed: Mapping[str, str] = field(default_factory=dict)
    without: frozenset[str] = frozenset()

    def options(self) -> dict[str, Any]:
        """As they stand in the manifest; empty where nothing is chosen."""
        renamed = {"renamed": dict(self.renamed)} if self.renamed else {}
        return renamed | ({"without": sorted(self.without)} if self.without else {})


class ChosenNames:
    """The names that a source's streams have here."""

    def __init__(self, choice: Choice) -> None:
        self.choice, self._in_source = choice, list[str]()

    def name_here(self, name: str) -> str:
        """What a stream of the source is called here; empty where it is left out."""
        if name not in self._in_source:
            self._in_source.append(name)
        return "" if name in self.choice.without else self.choice.renamed.get(name, name)

    def check(self) -> None:
        """RequestError where the user names a stream that the source does not have."""
        for name in (*self.choice.renamed, *sorted(self.choice.without)):
            if name not in self._in_source:
                raise RequestError(
                    f"the source has no stream {name!r}; it has {', '.join(self._in_source)}"
                )
