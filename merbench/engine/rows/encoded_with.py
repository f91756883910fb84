"""The packages that shape what a frozen encoder makes of a stream: their versions are kept beside
its output, and said where this machine has others.
"""

from __future__ import annotations

from collections.abc import Mapping

from merbench.api import Stream
from merbench.engine.plan.plan import Part
from merbench.results.records.provenance import installed


def versions(part: Part, stream: Stream) -> dict[str, str]:
    """Package -> its version here, of those that the encoder names and of what decodes clips."""
    names = [*getattr(part.factory, "packages", ()), *(["av"] if stream.kind == "clip" else [])]
    return {name: version for name in sorted(names) if (version := installed(name))}


def other_versions(label: str, packages: Mapping[str, str]) -> str:
    """A sentence on those of ``packages`` that are others here; empty where none is."""
    differ = [
        f"{name} {version} (here {installed(name) or 'none'})"
        for name, version in packages.items()
        if version != installed(name)
    ]
    if not differ:
        return ""
    return (
        f"{label}: what the cache holds was made with {', '.join(differ)}; "
        "merbench data cache clear lets it be made again"
    )
