"""What was printed of a store last, for as long as none of its files has changed: thousands of runs
take time to read, and more to lay out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

from merbench.api.declarations.config import Config
from merbench.bench.recipes import floors
from merbench.bench.score_cache import score_cache
from merbench.cli.shared.output import out, say
from merbench.cli.shared.session import Session
from merbench.report.scores.cache import version
from merbench.results.spec import canonical
from merbench.results.store.listing import listing_digest

Tell = Callable[[str], object]


class KeptText(Config):
    """``key``: of all that decides the text. ``sentences``: what was said about the store."""

    key: str
    text: str
    sentences: list[str]


def kept_text(
    session: Session,
    store: Path,
    choice: Mapping[str, str | bool | None],
    make: Callable[[Tell], str],
) -> str:
    """What ``make`` gives for this ``choice``; it is called where another choice, another terminal,
    another state of the store or other code made what is kept.
    """
    cache, console = score_cache(store), out()
    modules = {definition.module for definition in session.catalog.metrics.metrics}
    about = [
        version(sorted({"merbench.cli.look.leaderboard.tables", *modules}), cache.parsed_code),
        listing_digest(store),
        sorted(floors(session.catalog)),
        dict(choice),
        [console.width, console.is_terminal, console.color_system, console.encoding],
    ]
    key = sha256(canonical(about).encode()).hexdigest()
    kept = cache.read("printed", KeptText)
    if kept is None or kept.key != key:
        sentences: list[str] = []
        text = make(sentences.append)
        kept = KeptText(key=key, text=text, sentences=sentences)
        cache.write("printed", kept)
    for sentence in kept.sentences:
        say(sentence)
    return kept.text
