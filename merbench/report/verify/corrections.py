"""What corrections name stands as it was, and nothing supersedes itself."""

from __future__ import annotations

from collections.abc import Iterator

from merbench.report.folder.folder import Folder
from merbench.report.verify.failure import Failure
from merbench.results.store.corrections import REPLACED, digest, faults, replaced_name
from merbench.results.store.history import FOLDER


def corrections_hold(folder: Folder) -> Iterator[Failure]:
    """Each fault of a correction, and each replaced run that no correction names."""
    digests = {record.run_id: digest(record) for record in folder.records}
    for correction, sentence in faults(folder.corrections, digests):
        file = folder.path / FOLDER / f"{correction.id}.json"
        yield Failure(file, f"correction of {correction.date}: {sentence}")
    named = {name for correction in folder.corrections for name in correction.old}
    for record in folder.records:
        if REPLACED not in record.run_id:
            continue
        if record.run_id != replaced_name(record):
            sentence = "its name is not that of its content"
        elif record.run_id not in named:
            sentence = "it was replaced by another run of its id, and no correction says why"
        else:
            continue
        yield Failure(folder.files[record.run_id], f"run {record.run_id}: {sentence}")
