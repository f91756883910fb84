"""What was printed of a store last, for as long as none of its files has changed: thousands of runs
take time to read, and more to lay out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

from merbench.api.declarations.config import Config
from merbench.bench.floors import floors
from merbench.bench.score_cache import score_cache
from merbench.cli.shared.output import out, say
from merbench.cli.shared.session import Session
from merbench.report.scores.cache import version
from merbench.results.spec import canonical
from merbench.results.store.listing import listing_digest

Report = Callable[[str], object]
"""Called with each sentence about the store, such as what could not be read."""


class CachedText(Config):
    """``key``: of all that decides the text. ``sentences``: what was reported of the store."""

    key: str
    text: str
    sentences: list[str]


def cached_text(
    session: Session,
    store: Path,
    options: Mapping[str, str | int | None],
    make: Callable[[Report], str],
) -> str:
    """What ``make`` gives for these ``options``. It is called only where the cached text is of
    other options, another terminal, another state of the store or other code.
    """
    cache, console = score_cache(store), out()
    modules = {definition.module for definition in session.catalog.metrics.metrics}
    deciding = [
        version(sorted({"merbench.cli.look.leaderboard.tables", *modules}), cache.parsed_code),
        listing_digest(store),
        sorted(floors(session.catalog)),
        dict(options),
        [console.width, console.is_terminal, console.color_system, console.encoding],
    ]
    key = sha256(canonical(deciding).encode()).hexdigest()
    cached = cache.read("printed", CachedText)
    if cached is None or cached.key != key:
        sentences: list[str] = []
        text = make(sentences.append)
        cached = CachedText(key=key, text=text, sentences=sentences)
        cache.write("printed", cached)
    for sentence in cached.sentences:
        say(sentence)
    return cached.text
