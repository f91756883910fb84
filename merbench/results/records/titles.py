"""Titles of tracks beside each other: those that would be equal name what distinguishes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256

from merbench.results.records.record import INITIAL, Track

SEPARATOR = " · "


def titles(tracks: Sequence[Track]) -> list[str]:
    """One a track, all different where the tracks are, whatever their order."""
    named = [track.title for track in tracks]
    for name in (_pretrained, _initial, _revision, _fingerprint):
        of_title: dict[str, list[int]] = {}
        for place, title in enumerate(named):
            of_title.setdefault(title, []).append(place)
        for alike in of_title.values():
            words = name([tracks[place] for place in alike])
            if len(set(words)) > 1:
                for place, more in zip(alike, words, strict=True):
                    named[place] += f"{SEPARATOR}{more}"
    return named


def is_meant(title: str, text: str, titles: Sequence[str]) -> bool:
    """``text`` as ``--track`` takes it: a whole title means that one alone, else a part of it."""
    query = text.lower()
    if query in (other.lower() for other in titles):
        return title.lower() == query
    return query in title.lower()


def fingerprint(track: Track) -> str:
    """Six hex digits, for names of folders."""
    return sha256(track.model_dump_json().encode()).hexdigest()[:6]


def _pretrained(tracks: Sequence[Track]) -> list[str]:
    """All that each offers, with the beginning of the hash where one name has several contents."""
    offered = [{k: v for k, v in t.pretrained.items() if k != INITIAL} for t in tracks]
    contents = Counter(name for name, _ in {item for hashes in offered for item in hashes.items()})
    return [
        " + ".join(
            f"{name.partition(':')[2] or name}{f' {sha[:7]}' if contents[name] > 1 else ''}"
            for name, sha in sorted(hashes.items())
        )
        or "nothing pretrained"
        for hashes in offered
    ]


def _initial(tracks: Sequence[Track]) -> list[str]:
    series = [track.pretrained.get(INITIAL, "") for track in tracks]
    return [f"starting from {name[:7]}" if name else "starting from scratch" for name in series]


def _revision(tracks: Sequence[Track]) -> list[str]:
    return [f"revision {track.revision[:7]}" for track in tracks]


def _fingerprint(tracks: Sequence[Track]) -> list[str]:
    return [fingerprint(track) for track in tracks]
