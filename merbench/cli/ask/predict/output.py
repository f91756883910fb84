"""What ``merbench predict`` prints of its predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from merbench.cli.shared.output import plain_table

if TYPE_CHECKING:
    import numpy as np
    from rich.table import Table

    from merbench.analyses.predict import Predicted
    from merbench.data.folder.inputs import Inputs

NAMED = 3
"""Utterances or words that a sentence names."""


def as_json(inputs: Inputs, predicted: Predicted) -> dict[str, Any]:
    """Means over the runs, and each run's prediction."""
    words = list(predicted.space.words)
    rows = []
    for i, name in enumerate(inputs.ids):
        row: dict[str, Any] = {"id": name, "text": inputs.texts[i]}
        row["prediction"] = _named(predicted.prediction[:, i].mean(0), words)
        row["each"] = predicted.prediction[:, i].tolist()
        if predicted.shares is not None:
            row["labels"] = _named(predicted.shares[:, i].mean(0), words)
        row["contribution"] = {
            m: _named(c[:, i].mean(0), words) for m, c in predicted.contribution.items()
        }
        row["not_seen"] = predicted.not_seen[i]
        row["unknown_words"] = predicted.unknown_words[i]
        rows.append(row)
    return {"labels": words, "missing": predicted.missing, "rows": rows}


def _named(value: np.ndarray, words: list[str]) -> float | dict[str, float]:
    return float(value) if value.ndim == 0 else dict(zip(words, value.tolist(), strict=True))


def table(inputs: Inputs, predicted: Predicted) -> Table:
    """One line an utterance. The contribution of a modality is to the score, or to the probability
    of the label that is shown.
    """
    from rich.text import Text

    mean, words = predicted.prediction.mean(0), predicted.space.words
    score = mean.ndim == 1
    sheet = plain_table(left=("id",))
    sheet.add_column("text", max_width=48, overflow="ellipsis", no_wrap=True)
    sheet.add_column("score" if score else "label", justify="right" if score else "left")
    if not score:
        sheet.add_column("probability", justify="right")
    sheet.add_column("sd over seeds", justify="right")
    if score and predicted.shares is not None:
        sheet.add_column("nearest label")
        sheet.add_column("share", justify="right")
    for m in predicted.contribution:
        sheet.add_column(f"{m} adds", justify="right")
    some_unseen = any(predicted.not_seen)
    if some_unseen:
        sheet.add_column("not seen")
    several = len(predicted.prediction) > 1
    for i, name in enumerate(inputs.ids):
        best = 0 if score else int(mean[i].argmax())
        output = (slice(None), i) if score else (slice(None), i, best)
        values_S = predicted.prediction[output]
        cells = [f"{values_S.mean():+z.2f}"] if score else [words[best], f"{values_S.mean():.2f}"]
        cells.append(f"{values_S.std(ddof=1):.2f}" if several else "–")
        if score and predicted.shares is not None:
            shares = predicted.shares[:, i].mean(0)
            cells += [words[int(shares.argmax())], f"{shares.max():.0%}"]
        cells += [f"{c[output].mean():+z.2f}" for c in predicted.contribution.values()]
        if some_unseen:
            cells.append(", ".join(predicted.not_seen[i]) or "–")
        sheet.add_row(Text(name), Text(inputs.texts[i]), *cells)
    return sheet


def unseen_sentences(inputs: Inputs, predicted: Predicted) -> list[str]:
    """One for each way of not being seen, and for each utterance with words that are unknown; and
    which utterances were predicted from nothing.
    """
    by_reason: dict[tuple[str, str], list[str]] = {}
    for name, row in zip(inputs.ids, predicted.not_seen, strict=True):
        for modality, reason in row.items():
            if modality not in predicted.missing:
                by_reason.setdefault((modality, reason), []).append(name)
    sentences = [
        f"{modality} was not seen in {_names(names)}: {reason}"
        for (modality, reason), names in by_reason.items()
    ]
    partly = [
        (name, words)
        for name, row, words in zip(
            inputs.ids, predicted.not_seen, predicted.unknown_words, strict=True
        )
        if words and "text" not in row
    ]
    sentences += [
        f"{name} was read without {_names(words)}: no vector is known"
        for name, words in partly[:NAMED]
    ]
    if len(partly) > NAMED:
        sentences.append(f"{len(partly) - NAMED} more have words without a vector; --json has them")
    n_modalities = len(predicted.contribution) + len(predicted.missing)
    nothing = [
        name
        for name, row in zip(inputs.ids, predicted.not_seen, strict=True)
        if n_modalities and len(row) == n_modalities
    ]
    if nothing:
        sentences.append(
            f"{_names(nothing)} {'was' if len(nothing) == 1 else 'were'} predicted from nothing: "
            "its prediction is what the model gives for an empty input"
        )
    return sentences


def _names(names: list[str]) -> str:
    first = ", ".join(map(str, names[:NAMED]))
    return first if len(names) <= NAMED else f"{first} and {len(names) - NAMED} more"
