"""One search of two journals, that began apart or went on apart: the trials of both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial

from merbench.results.records.sealed import DamagedError
from merbench.tuning.journal import Journal
from merbench.tuning.retries import PLANNED, PROPOSED, RETRY_OF, Ledger


class OtherSourceError(Exception):
    """The two were made by other versions of the components' source."""


def unite(source: Path, lines: bytes, target: Path) -> int:
    """Let the finished trials of the journal ``source`` (``lines``: what is in it) follow those of
    ``target``, which keep their numbers; how many they are. Of settings that both have tried, those
    of ``target`` stay. May be stopped and called again.
    """
    with TemporaryDirectory() as folder:  # a journal that is opened is written to
        copy = Path(folder, source.name)
        copy.write_bytes(lines)
        _, theirs = _opened(copy, source)
        their_code, their_trials = theirs.user_attrs.get("source"), theirs.get_trials()
    journal, ours = _opened(target, target)
    if ours.user_attrs.get("source") != their_code:
        raise OtherSourceError
    n_added = 0
    with journal.held():
        tried = [_settings(trial) for trial in ours.get_trials(deepcopy=False)]
        for trial in _finished(their_trials):
            if (settings := _settings(trial)) not in tried:
                tried.append(settings)
                ours.add_trial(trial)
                n_added += 1
    return n_added


def _opened(path: Path, shown: Path) -> tuple[Journal, Study]:
    """DamagedError, which names ``shown``, for what is no journal of a search."""
    try:
        journal = Journal(path)
        return journal, optuna.load_study(study_name=path.stem, storage=journal)
    except Exception as error:  # Optuna replays the lines, and a damaged one fails in any layer
        raise DamagedError(f"{shown} is no journal of a search") from error


def _settings(trial: FrozenTrial) -> dict[str, Any]:
    """Also of a trial that waits, for which nothing is drawn yet."""
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}


def _finished(trials: Sequence[FrozenTrial]) -> Iterator[FrozenTrial]:
    """Those that count, without what holds in their own search alone: which number one repeats, and
    what its sampler and pruner have noted.
    """
    ledger = Ledger(trials, len(trials))
    for trial in ledger.finished:
        first = ledger.original(trial.number).user_attrs
        marks = {name: first[name] for name in (PLANNED, PROPOSED) if name in first}
        own = {name: value for name, value in trial.user_attrs.items() if name != RETRY_OF}
        trial.user_attrs, trial.system_attrs = {**own, **marks}, {}
        yield trial
