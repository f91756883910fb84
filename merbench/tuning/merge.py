"""The searches of stores brought together: a journal that is missing is copied, one that went on
elsewhere is continued, and of one that went on in both stores the trials are united.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from merbench.api.plural import count_of
from merbench.results.files import write_atomic
from merbench.results.records.sealed import DamagedError, read_file
from merbench.tuning.journal_lock import JournalLock


@dataclass(frozen=True)
class MergedSearch:
    """What became of one search. ``conflict``: both stores went on with it, with other code;
    ``refused``: a journal of it cannot be read.
    """

    search: str
    how: Literal["copied", "there", "conflict", "refused"]
    why: str = ""


def merge_searches(source: Path, into: Path) -> Iterator[MergedSearch]:
    """Every search whose journal lies in the store ``source``, which is left as it is. The trials
    of ``into`` keep their numbers. May be stopped and called again.
    """
    for path in sorted((source / "tuning").glob("*.journal")):
        try:
            yield _merge(path, into / "tuning" / path.name)
        except DamagedError as error:
            yield MergedSearch(path.stem, "refused", str(error))


def _merge(source: Path, target: Path) -> MergedSearch:
    theirs = _whole_lines(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    with JournalLock(target):
        ours = _whole_lines(target) if target.exists() else b""
        if ours.startswith(theirs):
            return MergedSearch(source.stem, "there")
        if theirs.startswith(ours):
            write_atomic(target, theirs)
            return MergedSearch(source.stem, "copied", "it went on there" if ours else "")
    from merbench.tuning.unite import OtherSourceError, unite

    try:
        n_added = unite(source, theirs, target)
    except OtherSourceError:
        why = (
            "both stores went on with it, each with another version of the components' source, "
            f"and the one here is kept; to take the other, move {target} away and merge again"
        )
        return MergedSearch(source.stem, "conflict", why)
    if not n_added:
        return MergedSearch(source.stem, "there")
    trials = count_of(n_added, "finished trial")
    why = (
        f"both stores went on with it; added after those here: {trials} of the other one; a "
        "larger --trials counts what was added"
    )
    return MergedSearch(source.stem, "copied", why)


def _whole_lines(journal: Path) -> bytes:
    """A last line without an end is still being written, or never will be. DamagedError for a file
    that is no journal, or cannot be read.
    """
    try:
        content = read_file(journal)
        lines = content[: content.rfind(b"\n") + 1]
        if not all(isinstance(json.loads(line)["op_code"], int) for line in lines.splitlines()):
            raise DamagedError("an operation is no number")
    except OSError as error:
        raise DamagedError(f"{journal} cannot be read ({error.strerror})") from error
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise DamagedError(f"{journal} is no journal of a search") from error
    return lines
