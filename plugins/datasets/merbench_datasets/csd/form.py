"""The form ``csd``: computational sequences of the CMU-MultimodalSDK, cut into utterances.

A folder: every ``.csd`` in it, the labels' (its intervals are the utterances), and a file that says
who trains and who tests: the SDK's ``cmu_mosi_std_folds.py`` or a ``label.csv``. Or one ``.csd``
that joins a data set which is there, with ``segments`` or labels beside it.

A step belongs to the utterance in whose interval its middle lies; where the SDK has cut a sequence
already (entries ``VIDEO[k]``), segment k has all the steps of its entry. Words keep their times;
the pause ``sp`` stays a word with times, and is left out of the transcript alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from merbench.api import Config, DataError, Modality, Sink, Source
from merbench_datasets.csd.names import csd_files, modality_of, stream_name
from merbench_datasets.csd.rows import EMOTIONS, JoinedLabels, Rows, labelled, main_first, segments
from merbench_datasets.csd.sequence import CsdSequence
from merbench_datasets.csd.splits import Splits
from merbench_datasets.csd.steps import (
    entry_of,
    finite_mean,
    means_of_words,
    sentences_on_left_out_steps,
    steps_within,
    words_within,
)

PAUSE = "sp"


class Csd:
    """Streams of every sequence, cut to the utterances and kept as sequences, pooled, or aligned to
    the words.
    """

    looks_for = "a .csd file, or a folder of them with the SDK's file of folds or a label.csv"

    class Config(Config):
        pool: Literal["none", "mean"] = "none"
        """mean: one step an utterance, the mean of its finite values."""
        align: Literal["none", "words"] = "none"
        """words: one step a word, pauses among them, the mean of the steps that overlap it by a
        millisecond; NaN where there are none. As the SDK's align(), but for two things: a word
        belongs to the one utterance in which its middle lies (the SDK gives it to each that it
        touches), and what is not finite is left out of a mean.
        """
        splits: str = ""
        """The file of folds, where it lies elsewhere."""
        segments: str = ""
        """Intervals of the rows that are there, in place of labels: .npz with id, video, start,
        end, or a table with start and end.
        """
        stream: str = ""
        """Name of the stream, where one .csd is added."""
        modality: Literal["", "text", "audio", "video"] = ""
        """Of that stream, where its file's name does not tell."""
        first: Annotated[int, Field(ge=0)] | None = None
        """Number of a video's first utterance. Without it 1, or 0 where the label.csv has a clip 0.
        """

    def __init__(self, config: Config) -> None:
        self.config = config

    def recognise(self, source: Source) -> str:
        return "" if csd_files(source.path) else "there is no .csd"

    def convert(self, source: Source, sink: Sink) -> None:
        files = csd_files(source.path)
        label_files = [path for path in files if _holds_labels(path)]
        stream_files = [path for path in files if path not in label_files]
        if not label_files and not source.path.is_dir():
            label_files = [path for path in csd_files(source.path.parent) if _holds_labels(path)]
        for path in files:
            sink.source(path)
        with ExitStack() as stack:
            sequences = [stack.enter_context(closing(CsdSequence(path))) for path in stream_files]
            words = _words([s for s in sequences if s.width is None])
            if not sequences:
                raise DataError(
                    f"{source.path} holds labels and no other .csd; "
                    "put the sequences that models are to read beside them"
                )
            if self.config.segments:
                rows = self._segments(sink)
            else:
                labels = [stack.enter_context(closing(CsdSequence(p))) for p in label_files]
                rows = self._labelled(labels, source.path, sink, words)
            _check_rows(rows, source.path, sink)
            self._streams(sequences, rows, words, sink)

    def _segments(self, sink: Sink) -> Rows:
        """Intervals of rows that are there already."""
        path = Path(self.config.segments).expanduser()
        rows = segments(path)
        sink.source(path)
        if rows.interval:
            for row_id, reason in rows.refused:
                sink.refuse(row_id, reason)
        return rows

    def _streams(
        self, sequences: list[CsdSequence], rows: Rows, words: CsdSequence | None, sink: Sink
    ) -> None:
        """Every sequence as a stream, the words first; the first of each modality is offered."""
        offered: dict[str, str] = {}
        for sequence in sorted(sequences, key=lambda sequence: sequence is not words):
            modality, name = self._named(sequence, only_sequence=len(sequences) == 1)
            self._stream(name, modality, sequence, rows, words, sink)
            offered.setdefault(modality, name)
        if not self.config.segments:
            sink.protocol("standard", column="mode", streams=list(offered.values()))

    def _labelled(
        self,
        tables: list[CsdSequence],
        path: Path,
        sink: Sink,
        words: CsdSequence | None,
    ) -> Rows:
        """Rows from the labels, written to the sink as its table, with tasks and protocol."""
        if not tables:
            raise DataError(
                f"{path} has no file of labels, whose intervals are the utterances; "
                "put CMU_MOSI_Opinion_Labels.csd or "
                "CMU_MOSEI_Labels.csd beside it, or join the rows of a data set that is there "
                "with --form csd --set segments=FILE (a .npz with id, video, start and end, "
                "or a table with start and end)"
            )
        labels, joined = main_first(tables)
        splits_file = self._splits(path if path.is_dir() else path.parent)
        sink.source(splits_file)
        splits = Splits(splits_file)
        first_clip = (
            self.config.first
            if self.config.first is not None
            else splits.first
            if splits.first is not None
            else 1
        )
        rows = labelled(labels, splits, first_clip, joined)
        if not rows.interval:
            return rows
        for joined_labels in joined:
            _note_joined(joined_labels, rows, labels.path, sink)
        is_new = not sink.ids
        if words is not None:
            rows.columns["text"] = [
                " ".join(w for w in steps_within(words, rows, row_id)[0] if w != PAUSE)
                for row_id in rows.interval
            ]
        sink.table(rows.columns)
        for row_id, reason in rows.refused:
            sink.refuse(row_id, reason)
        for video, reason in labels.refused.items():
            sink.refuse(f"{video} of {labels.path.name}", reason)
        if is_new and words is not None:
            sink.stream("text.transcript", modality="text", kind="strings", column="text")
        sink.task("sentiment", column="label", kind="score", low=-3.0, high=3.0)
        if emotions := [name for name in rows.columns if name in EMOTIONS]:
            sink.task("emotions", columns=emotions, kind="multilabel", words=emotions)
        return rows

    def _splits(self, folder: Path) -> Path:
        if self.config.splits:
            return Path(self.config.splits).expanduser()
        files = [*sorted(folder.glob("*folds*.py")), *sorted(folder.glob("label.csv"))]
        if len(files) != 1:
            problem = (
                f"holds {files[0].name} and {files[1].name}"
                if files
                else "says nowhere who trains and who tests"
            )
            raise DataError(
                f"{folder} {problem}; put the SDK's cmu_mosi_std_folds.py or "
                "cmu_mosei_std_folds.py, or a label.csv, beside the .csd files, "
                "or name it: --form csd --set splits=FILE"
            )
        return files[0]

    def _named(self, sequence: CsdSequence, *, only_sequence: bool) -> tuple[Modality, str]:
        """``(modality, stream name)`` of a sequence."""
        path, is_words = sequence.path, sequence.width is None
        modality: Modality = "text" if is_words else self.config.modality or modality_of(path)
        if only_sequence and self.config.stream:
            return modality, self.config.stream
        return modality, stream_name(path, modality, is_words)

    def _stream(
        self,
        name: str,
        modality: Modality,
        sequence: CsdSequence,
        rows: Rows,
        words: CsdSequence | None,
        sink: Sink,
    ) -> None:
        path = sequence.path
        for video, reason in sequence.refused.items():
            sink.refuse(f"{video} of {path.name}", reason)
        for sentence in sentences_on_left_out_steps(sequence, rows):
            sink.note(f"{path.name}: {sentence}")
        ids = [row_id for row_id in rows.interval if entry_of(sequence, rows, row_id)[0]]
        note = f"{path.name} of the CMU-MultimodalSDK"
        if sequence.width is None:
            sink.words(name, ids, lambda i: words_within(sequence, rows, ids[i]), note=note)
            return
        if self.config.align == "words" and words is None:
            raise DataError(
                f"{path.parent} has no .csd of words to which {path.name} could be aligned; "
                "put it there, or leave align=words out"
            )
        note += ", mean of an utterance" if self.config.pool == "mean" else ""
        note += ", mean of a word" if self.config.align == "words" else ""
        sink.features(
            name,
            modality,
            sequence.width,
            ids,
            lambda i: self._features(sequence, rows, words, ids[i]),
            note=note,
        )

    def _features(
        self, sequence: CsdSequence, rows: Rows, words: CsdSequence | None, row_id: str
    ) -> np.ndarray | None:
        if self.config.align == "words" and words is not None:
            if not entry_of(words, rows, row_id)[0]:
                return None
            word_intervals = steps_within(words, rows, row_id)[1]
            values, intervals = sequence.read(entry_of(sequence, rows, row_id)[0])
            return means_of_words(values, intervals, word_intervals)
        values, _ = steps_within(sequence, rows, row_id)
        if self.config.pool == "mean" and len(values):
            return finite_mean(values)[None]
        return values


def _note_joined(joined: JoinedLabels, rows: Rows, path: Path, sink: Sink) -> None:
    """How many rows have labels of a second file, and which of its intervals have no row."""
    label_columns = [rows.columns[name] for name in joined.names]
    n_joined = sum(any(cells) for cells in zip(*label_columns, strict=True))
    sink.note(
        f"{joined.path.name}: labels of {n_joined:,} of {len(rows.interval):,} rows are joined by "
        "video and interval"
    )
    for video, (start, end) in joined.unused:
        sink.refuse(
            f"{video} from {start:g} to {end:g} s of {joined.path.name}",
            f"{path.name} has no such interval",
        )


def _holds_labels(path: Path) -> bool:
    return "label" in path.stem.lower()


def _words(sequences: Sequence[CsdSequence]) -> CsdSequence | None:
    """The transcript: the only sequence of texts but for phonemes, or the one whose name says that
    it holds words.
    """
    no_phonemes = [s for s in sequences if "phone" not in s.path.stem.lower()]
    chosen = [s for s in no_phonemes if "word" in s.path.stem.lower()] or no_phonemes
    if len(chosen) > 1:
        first, second = (s.path for s in chosen[:2])
        raise DataError(
            f"{first.parent} has two .csd files of words, {first.name} and {second.name}; "
            "leave the one there that is the transcript"
        )
    return chosen[0] if chosen else None


def _check_rows(rows: Rows, path: Path, sink: Sink) -> None:
    """DataError where no utterance is left, or there is no table yet that segments could join."""
    if not rows.interval:
        problem = ": ".join(rows.refused[0]) if rows.refused else "its labels are empty"
        raise DataError(
            f"{path}: no utterance is left ({problem}); check its labels and its file of splits"
        )
    if not sink.ids:
        raise DataError(
            "there are no rows yet to which --set segments could join; add the labels first"
        )
