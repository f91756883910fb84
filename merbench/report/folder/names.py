"""What a track's folder, and a row's files in it, are called."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

from merbench.report.folder.packed import unpack
from merbench.report.scores.rows.entries import Entry
from merbench.results.records.outside import UNKNOWN
from merbench.results.records.record import Record, Track
from merbench.results.records.sealed import read_file
from merbench.results.records.titles import fingerprint
from merbench.results.spec import series
from merbench.results.store.store import DAMAGE

LONGEST = 120
"""Characters of a name; a file system takes 255 bytes, and more is put before and after it."""


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower())[:LONGEST].strip("-.")


def folder_names(
    tracks: Sequence[Track], existing: Mapping[str, Track] = MappingProxyType({})
) -> list[str]:
    """``mosi-sentiment-standard``; where tracks share that, all of them have their streams in their
    name; where they share these too, a hash of the track. The order of ``tracks`` does not matter.

    ``existing``: folder -> the track that is in it already, which keeps it.
    """
    folder_of = {track.model_dump_json(): name for name, track in existing.items()}
    possible = {t.model_dump_json(): _possible_names(t) for t in (*tracks, *existing.values())}
    claims = Counter(name for names in possible.values() for name in names)
    keys = [track.model_dump_json() for track in tracks]
    return [
        folder_of.get(key)
        or next(name for name in possible[key] if claims[name] == 1 and name not in existing)
        for key in keys
    ]


def folder_of_tracks(
    tracks: Sequence[Track], existing: Mapping[str, Track] = MappingProxyType({})
) -> Callable[[Track], str]:
    """``folder_names`` of ``tracks``, each by its track."""
    keys = [track.model_dump_json() for track in tracks]
    name_by_key = dict(zip(keys, folder_names(tracks, existing), strict=True))
    return lambda track: name_by_key[track.model_dump_json()]


def _possible_names(track: Track) -> list[str]:
    """From the shortest to one that no other track has."""
    rows = f"-without-{track.without}" if track.without else ""
    short = f"{track.dataset}-{track.task}-{track.protocol}{rows}"
    long = f"{short}-{'-'.join(s.partition('.')[2] or s for s in track.streams) or UNKNOWN}"
    unique = f"{slug(long)}-{fingerprint(track)}".strip("-")
    return list(dict.fromkeys(name for name in (slug(short), slug(long), unique) if name))


def existing_tracks(root: Path) -> dict[str, Track]:
    """Folder -> its track, of those under ``root`` whose records can be read."""
    track_of_folder = {}
    for path in sorted(root.glob("*/records")):
        with suppress(*DAMAGE, OSError, StopIteration):
            records = unpack(read_file(next(path.glob("*.json"))))
            track_of_folder[path.parent.name] = records[0].track
    return track_of_folder


def file_names(entries: Sequence[Entry], alone: bool = False) -> list[str]:
    """The name of each row as a file's; a hash of its runs' spec and source distinguishes
    equal ones. ``alone``: it stands in all, so that the files lie beside any others.
    """
    plain = [slug(entry.name) for entry in entries]
    return [
        f"{name or 'row'}-{_hash(e.first)}" if alone or not name or plain.count(name) > 1 else name
        for name, e in zip(plain, entries, strict=True)
    ]


def _hash(record: Record) -> str:
    return sha256(
        f"{series(record.spec, record.contents)} {record.source_digest}".encode()
    ).hexdigest()[:8]
