"""What this package offers to merbench, family by family. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

from merbench.api import Component, Recipe, hookimpl
from merbench_baselines.declare import part
from merbench_baselines.disentangled import declarations as disentangled
from merbench_baselines.ensemble import declarations as ensemble
from merbench_baselines.experts import declarations as experts
from merbench_baselines.floors import declarations as floors
from merbench_baselines.fusions import declarations as fusions
from merbench_baselines.incomplete import declarations as incomplete
from merbench_baselines.information import declarations as information
from merbench_baselines.language_model import declarations as language_model
from merbench_baselines.memory import declarations as memory
from merbench_baselines.translation import declarations as translation
from merbench_baselines.unimodal import declarations as unimodal
from merbench_baselines.views import declarations as views

FAMILIES = (
    floors,
    fusions,
    ensemble,
    memory,
    disentangled,
    unimodal,
    information,
    incomplete,
    translation,
    experts,
    language_model,
    views,
)


def _shared() -> Iterator[Component]:
    """Parts that every family uses."""
    pooled_or_labels = ("pooled", "labels")
    yield part("objective", "task", "objectives.task_loss:Task", "the task's own loss")
    yield part(
        "objective",
        "squared-error",
        "objectives.squared_error:SquaredError",
        "the task's own loss, of a score the mean squared error",
    )
    yield part(
        "objective",
        "concordance",
        "objectives.concordance:Concordance",
        "a score's predictions agree with the labels of their batch",
        spaces=("score",),
    )
    yield part(
        "objective",
        "unimodal-scores",
        "objectives.unimodal_scores:UnimodalScores",
        "each modality predicts the row's score by itself",
        needs=("scores", "scored"),
        spaces=("score",),
    )
    yield part("head", "linear", "heads:Linear", "linear logits", accepts=pooled_or_labels)
    yield part(
        "head", "mlp", "heads:MLP", "one hidden layer, then logits", accepts=pooled_or_labels
    )


@hookimpl
def merbench_components() -> Iterator[Component | Recipe]:
    yield from _shared()
    for family in FAMILIES:
        yield from family.components()
    for family in FAMILIES:
        yield from family.recipes()
