"""``merbench data add``: which form a source has, and its way into the data home, whole or not at
all.
"""

from __future__ import annotations

import os
import shutil
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from merbench.api.dataset_forms import Form, Source
from merbench.api.errors import DataError, MerbenchError, RequestError
from merbench.data.folder import manifest
from merbench.data.folder import stored_statistics as remembered
from merbench.data.folder.label_table import read_table
from merbench.data.folder.manifest import Manifest, Origin, read_manifest
from merbench.data.folder.read import FILE, read_folder
from merbench.data.folder.toml_section import Section, read_toml
from merbench.data.intake.lock_and_resume import alone, end_job, job_of, start_job
from merbench.data.intake.rows.source import Described
from merbench.data.intake.sink import LABELS, Bundle, StreamExistsError, Watch
from merbench.data.intake.stream_choice import Choice
from merbench.data.intake.unknown_source import contents
from merbench.data.word_times import words_elsewhere
from merbench.results.files import inside, missing_folders, remove_empty, write_atomic


def recognise(source: Source, forms: Mapping[str, Form]) -> str:
    """The name of the form that ``source`` has. RequestError where it has none of them or several,
    saying what is in it and what the forms of such a file or folder miss.
    """
    try:
        if not source.path.exists():
            raise RequestError(
                f"{source.path} does not exist; give the file or folder that holds the data"
            )
        reason_by_form = {name: _not_of(form, source) for name, form in forms.items()}
    except OSError as error:
        raise RequestError(
            f"{error.filename or source.path} cannot be read ({error.strerror or error}); "
            "fix that, or copy it"
        ) from error
    fits = [name for name, reason in reason_by_form.items() if not reason]
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise RequestError(
            f"{source.path} could be read as {' or '.join(fits)}; choose with --form"
        )
    sentences = [f"{source.path} has no form that is known here"]
    if inside_source := contents(source):
        sentences.append(f"it holds {inside_source}")
    for name, reason in reason_by_form.items():
        if not _is_of_another_kind(forms[name], source, reason):
            sentences.append(f"not {name}: {reason}")
    sentences.append("merbench list forms shows what each form looks for")
    raise RequestError("; ".join(sentences))


def _is_of_another_kind(form: Form, source: Source, reason: str) -> bool:
    """Whether a form reads another kind of file, or a folder where this is a file: what it misses
    is of no help then.
    """
    of_folders = form.looks_for.startswith("a folder")
    return reason.startswith(("it is no ", "there is no ")) or (
        of_folders and source.path.is_file()
    )


def _not_of(form: Form, source: Source) -> str:
    """Why ``source`` is not of a form; one of a plugin that fails on it must not be in the way of
    the others.
    """
    try:
        return form.recognise(source)
    except (MerbenchError, OSError):
        raise
    except Exception as error:
        return f"recognise() failed: {type(error).__name__}: {error}"


def add(
    name: str,
    home: Path,
    source: Source,
    form: Form,
    form_name: str,
    options: dict[str, Any],
    watch: Watch,
    choice: Choice | None = None,
) -> Origin:
    """Convert into HOME/NAME, or join to what is there; an interrupted call is taken up where it
    was.

    What it gives back stands in the manifest too. DataError where the source or the home cannot be
    read or written.
    """
    target = inside(home, name)
    if target.is_symlink():
        target = target.resolve()  # perhaps on another disk, and files are moved within one
    if target.exists() and not (target / FILE).is_file():
        raise RequestError(
            f"{target} is there and is no data set (it has no {FILE}); "
            "move it away, or choose another --name"
        )
    work = target.parent / f".{target.name}.adding"
    missing = missing_folders(work.parent)
    try:
        work.mkdir(parents=True, exist_ok=True)
        with alone(work, name):
            chosen = choice or Choice()
            origin = Origin(form=form_name, options=options | chosen.options())
            try:
                return _add(name, target, work, source, form, origin, watch, chosen)
            except MerbenchError:
                # Refused: the same command could not go on from what was made.
                if not (work / "ready").exists():
                    end_job(work)
                remove_empty(*missing)
                raise
    except OSError as error:
        file_name = f" ({error.filename})" if error.filename else ""
        raise DataError(
            f"{name} could not be added to {home}: {error.strerror or error}{file_name}; "
            "fix that and give the same command again, "
            "which resumes where it was"
        ) from error


def _add(
    name: str,
    target: Path,
    work: Path,
    source: Source,
    form: Form,
    origin: Origin,
    watch: Watch,
    choice: Choice,
) -> Origin:
    existing, ready = _described(target), work / "ready"
    start_job(work, job_of(source, origin, existing))
    if not ready.exists():
        manifest_before = _still_valid_manifest(target)
        sink = Bundle(name, work, existing, origin, watch, choice)
        conflict = None
        try:
            _convert(form, origin.form, source, sink)
            sink.chosen.check()
        except StreamExistsError as error:
            conflict = error
        if conflict or sink.adds_nothing:
            for added_before in reversed(manifest_before.sources if manifest_before else ()):
                if _is_same_source(added_before, origin):
                    end_job(work)
                    return added_before
        if conflict:
            raise DataError(
                f"{target} has {conflict} already, from another source; give it another name "
                "(--rename OLD=NEW), leave it out (--without NAME), or add the source under "
                "another --name"
            )
        _complete(target, work, source, sink, manifest_before or Manifest(name=name))
        ready.touch()
    _show(target, work)
    new_manifest = read_manifest(target)
    assert new_manifest is not None
    return new_manifest.sources[-1]


def _still_valid_manifest(target: Path) -> Manifest | None:
    """The manifest that is there, without the files that were changed since it was written."""
    manifest_before = read_manifest(target)
    if manifest_before is None:
        return None
    files, streams = manifest_before.files, manifest_before.streams
    unchanged = manifest_before.holding(target, files)
    manifest_before.files = {name: files[name] for name in files if name in unchanged}
    manifest_before.streams = {n: facts for n, facts in streams.items() if facts.file in unchanged}
    return manifest_before


def _is_same_source(a: Origin, b: Origin) -> bool:
    return (a.form, a.options, a.files) == (b.form, b.options, b.files)


def _convert(form: Form, name: str, source: Source, sink: Bundle) -> None:
    """DataError for whatever a form raises that it did not foresee, without what the file holds."""
    try:
        form.convert(source, sink)
    except (MerbenchError, StreamExistsError, OSError, MemoryError):
        raise
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        error_origin = f"{type(error).__name__} in {Path(frame.filename).name}, line {frame.lineno}"
        raise DataError(
            f"{source.path} cannot be read as {name}: it is not built as this form expects "
            f"({error_origin}); copy it again, or report it to the makers of the form"
        ) from error


def _complete(target: Path, work: Path, source: Source, sink: Bundle, earlier: Manifest) -> None:
    """Description, manifest and statistics; what results is read as a run would read it."""
    write_atomic(sink.bundle / FILE, sink.description().encode())
    # Of a call that was killed below: the manifest has it last.
    (sink.bundle / remembered.FILE).unlink(missing_ok=True)
    new_manifest = sink.manifest(earlier)
    trial = work / "trial"
    shutil.rmtree(trial, ignore_errors=True)
    _overlay(trial, [folder for folder in (target, sink.bundle) if folder.exists()])
    (trial / manifest.FILE).unlink(missing_ok=True)
    new_manifest.write(trial)
    sink.watch("checking what was made", 0, 1)
    try:
        corpus = read_folder(trial)
        remembered.write_statistics(sink.bundle, corpus)
    except DataError as error:
        raise DataError(
            f"{source.path} makes a data set that cannot be read: "
            f"{str(error).replace(f'{trial}/', '')}"
        ) from None
    sink.origin.notes += [f"{stream}: {sentence}" for stream, sentence in words_elsewhere(corpus)]
    shutil.rmtree(trial)
    if (sink.bundle / remembered.FILE).exists():
        new_manifest.files[remembered.FILE] = manifest.facts_of(sink.bundle / remembered.FILE)
    new_manifest.write(sink.bundle)


def _overlay(folder: Path, parts: Sequence[Path]) -> None:
    """Make ``folder`` read as if the content of ``parts`` had been copied into it, one after the
    other.
    """
    folder.mkdir()
    for name in sorted({path.name for part in parts for path in part.iterdir()}):
        have = [part / name for part in parts if os.path.lexists(part / name)]
        if len(have) > 1 and all(path.is_dir() and not path.is_symlink() for path in have):
            _overlay(folder / name, have)
        else:
            (folder / name).symlink_to(have[-1].resolve())


def _show(destination: Path, work: Path) -> None:
    """One rename, or the description last: until then nothing refers to the new files. May be
    repeated after a kill at any point.
    """
    bundle = work / "bundle"
    if bundle.exists() and not destination.exists():
        bundle.rename(destination)
    elif bundle.exists():
        last = [bundle / manifest.FILE, bundle / FILE]
        for path in (
            sorted(
                p for p in bundle.rglob("*") if (p.is_symlink() or p.is_file()) and p not in last
            )
            + last
        ):
            target = destination / path.relative_to(bundle)
            target.parent.mkdir(parents=True, exist_ok=True)
            if path == bundle / manifest.FILE and path.exists():
                path.touch()  # so that it comes after the files that were put there
            if path.is_symlink() or path.exists():
                path.replace(target)
    end_job(work)


def _described(folder: Path) -> Described | None:
    if not folder.exists():
        return None
    values = read_toml(folder / FILE)  # refuses, by name, what is no TOML
    text = (folder / FILE).read_text(encoding="utf-8-sig")
    table = read_table(Section(folder / FILE, "", values).file("labels", LABELS))
    return Described(folder, text, values, table)
