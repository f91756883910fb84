"""What the declarations of several systems share. Imports no torch."""

from collections.abc import Mapping

from merbench.api import Ablation, Component

FEATURES = {
    "words": "word-transformer",
    "strings": "word-transformer",
    "features": "feature-transformer",
}
"""A small trained transformer a modality."""

PAIRS = (
    Ablation(name="text-audio", summary="without video", modalities=("text", "audio")),
    Ablation(name="text-video", summary="without audio", modalities=("text", "video")),
    Ablation(name="audio-video", summary="without text", modalities=("audio", "video")),
)
SINGLES = (
    Ablation(name="only-text", summary="text alone", modalities=("text",)),
    Ablation(name="only-audio", summary="audio alone", modalities=("audio",)),
    Ablation(name="only-video", summary="video alone", modalities=("video",)),
)


def part(kind: str, name: str, target: str, summary: str, **declared: object) -> Component:
    """A component whose ``target`` stands in this package."""
    return Component(
        kind=kind,  # type: ignore[arg-type]
        name=name,
        target=f"merbench_related.{target}",
        summary=summary,
        **declared,  # type: ignore[arg-type]
    )


def published_training(**settings: object) -> Ablation:
    """The optimiser, rates and batches of the authors' code, where they are known and the recipe's
    are ours.
    """
    return Ablation(
        name="published-training",
        summary="optimiser, rates and batches of the authors' code in place of ours",
        settings={f"train.{name}": value for name, value in settings.items()},
    )


def published_settings(settings: Mapping[str, object]) -> Ablation:
    """Sizes, rates and batches of the authors' runs on CMU-MOSEI, where a recipe has them there
    alone.
    """
    return Ablation(
        name="published-settings",
        summary="sizes, rates and batches of the authors' runs on CMU-MOSEI in place of ours",
        settings=settings,
    )
