"""Finished runs applied to new utterances: predictions, the share of each label, and what each
modality adds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from merbench.analyses.trained import Trained
from merbench.api import LabelSpace, Modality, RunError, Stream, Task, own_method
from merbench.data.folder.inputs import Inputs, absent, matching
from merbench.data.words import as_words
from merbench.engine.model.compose import Composed
from merbench.engine.model.contract import output
from merbench.engine.plan.plan import Plan
from merbench.engine.rows.splits import SplitData
from merbench.engine.training.evaluate import predict


@dataclass(frozen=True)
class Predicted:
    """R runs on N utterances. ``prediction``: [R, N] of a score, [R, N, C] probabilities of classes
    or labels, [R, N, 1 + C] of two tasks.

    ``shares`` [R, N, C]: how near the fused row is to each label word (softmax over the labels, of
    a multilabel task the sigmoid); None where no head looks at the label words. ``contribution``:
    modality -> prediction minus the prediction without that modality, of the shape of
    ``prediction``. ``missing``: modalities that the inputs lack.
    """

    space: LabelSpace
    prediction: np.ndarray
    shares: np.ndarray | None
    contribution: dict[Modality, np.ndarray]
    missing: list[Modality]
    not_seen: list[dict[Modality, str]]
    """Row by row, the modalities in which nothing was read, and why: no clip or text that could be
    read, no word that is known, or a prediction that is the same without it, to the last bit.
    """
    unknown_words: list[list[str]]
    """Row by row, the words that no file of word vectors has, where the text is read as these."""

    @property
    def single(self) -> list[Predicted]:
        """Two tasks at once as one and the other; one task as it is."""
        if not self.space.parts:
            return [self]

        def columns(outputs: np.ndarray) -> list[np.ndarray]:
            return [outputs[:, :, 0], outputs[:, :, 1:]]

        contribution = [{m: columns(c)[i] for m, c in self.contribution.items()} for i in range(2)]
        by_task = zip(
            self.space.parts,
            columns(self.prediction),
            self.space.split_logits(self.shares),
            contribution,
            strict=True,
        )
        return [
            Predicted(*part, self.missing, self.not_seen, self.unknown_words) for part in by_task
        ]


def apply(plan: Plan, runs: Iterable[Trained], inputs: Inputs, device: torch.device) -> Predicted:
    """RequestError where the inputs have no stream that the runs read, RunError where there is no
    run.
    """
    streams, missing = matching(inputs, plan.streams)
    space, rows = plan.task.space, np.arange(len(inputs))
    unknown = _unlabelled(space, len(inputs))
    guided = "label_encoder" in plan.parts and "queries" in plan.parts["head"].component.needs
    predictions, shares = [], []
    notes: dict[Modality, dict[int, str]] = {m: {} for m in streams}
    unread: dict[Modality, dict[int, str]] = {m: {} for m in streams}
    without: dict[Modality, list[np.ndarray]] = {m: [] for m in streams if m not in missing}
    for run in runs:
        model, encoders = run.problem.model, run.problem.encoders
        data = run.fold.of(streams, unknown, rows, encoders, device)
        predictions.append(predict(model, data, space))
        for m, prepared in data.inputs.items():
            notes[m] |= getattr(prepared, "notes", {})
            unread[m] |= getattr(prepared, "unread", {})
        if guided and not own_method(model, "read_out"):
            assert isinstance(model, Composed)
            shares.append(_shares(model, data, space))
        for m, differences in without.items():
            lacking = {**streams, m: absent(streams[m], len(inputs))}
            differences.append(
                predictions[-1]
                - predict(model, run.fold.of(lacking, unknown, rows, encoders, device), space)
            )
    if not predictions:
        raise RunError(
            f"no run of {plan.recipe.name} is finished, so nothing is predicted; "
            "run it with settings with which it trains"
        )
    stacked = {m: np.stack(differences) for m, differences in without.items()}
    not_seen = _not_seen(streams, missing, stacked, notes, unread)
    shares_RNC = np.stack(shares) if shares else None
    return Predicted(
        space,
        np.stack(predictions),
        shares_RNC,
        stacked,
        missing,
        not_seen,
        _unknown_words(plan, streams, len(inputs)),
    )


def _unlabelled(space: LabelSpace, n_rows: int) -> Task:
    """Zeros in the place of labels: nothing is trained or scored with them."""
    has_columns = space.kind in ("multilabel", "joint")
    shape = (n_rows, space.logit_count) if has_columns else (n_rows,)
    return Task(space, np.zeros(shape, dtype=np.int64 if space.kind == "class" else np.float32))


def _unknown_words(plan: Plan, streams: Mapping[Modality, Stream], n_rows: int) -> list[list[str]]:
    part = plan.parts.get("encoder.text")
    if part is None or plan.lexicon is None or "vectors" not in part.component.pretrained:
        return [[] for _ in range(n_rows)]
    words = as_words(streams["text"])
    _, known_V = plan.lexicon.table(words.vocab)
    spans = zip(words.start.tolist(), words.length.tolist(), strict=True)
    rows = [words.values[start : start + length].tolist() for start, length in spans]
    return [
        list(dict.fromkeys(words.vocab[word] for word in row if not known_V[word])) for row in rows
    ]


def _not_seen(
    streams: Mapping[Modality, Stream],
    missing: Sequence[Modality],
    contribution: Mapping[Modality, np.ndarray],
    notes: Mapping[Modality, Mapping[int, str]],
    unread: Mapping[Modality, Mapping[int, str]],
) -> list[dict[Modality, str]]:
    """``notes``: modality -> row -> what was wrong with its clip. ``unread``: why what is there
    says nothing; the prediction may tell it from nothing.
    """
    n_rows = len(next(iter(streams.values())).length)
    rows: list[dict[Modality, str]] = [{} for _ in range(n_rows)]
    for m, stream in streams.items():
        for i, row in enumerate(rows):
            if m in missing:
                row[m] = "the inputs have no such stream"
            elif i in unread[m]:
                row[m] = unread[m][i]
            elif not np.any(contribution[m][:, i]):
                empty = "there is none" if stream.length[i] == 0 else "nothing in it is known"
                row[m] = notes[m].get(i, empty)
    return rows


@torch.no_grad()
def _shares(model: Composed, data: SplitData, space: LabelSpace) -> np.ndarray:
    model.eval()
    logits = torch.cat([output(model, batch).logits_BC.float().cpu() for batch in data.batches()])
    by_task = zip(space.tasks, space.split_logits(logits), strict=True)
    shares = [
        of_part.sigmoid() if part.kind == "multilabel" else of_part.softmax(-1)
        for part, of_part in by_task
    ]
    return np.asarray(torch.cat(shares, -1).double().numpy())
