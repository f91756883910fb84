"""What this package offers to merbench: MER-CLIP (Song & Cho, WACV 2025, 2506.00903), rebuilt from
its abstract. Imports no torch.
"""

from collections.abc import Iterator
from itertools import permutations

from merbench.api import MODALITIES, Ablation, Case, Component, Recipe, Tune, hookimpl

TOWERS = {"encoders.text.": 0.1, "label_encoder.": 0.1}
"""Learning-rate factors of what was trained before and is tuned here (item 14)."""

# The recipe's default order is the first; the other five are ablations.
ORDERS = tuple(
    Ablation(
        name=f"order-{'-'.join(order)}",
        summary=f"looks into {', then '.join(order)}",
        settings={"fusion.order": order},
    )
    for order in list(permutations(MODALITIES))[1:]
)
SUBSETS = tuple(
    Ablation(
        name=f"modalities-{'-'.join(subset)}",
        summary=f"{' and '.join(subset)} alone",
        modalities=subset,
    )
    for subset in (
        ("text",),
        ("audio",),
        ("video",),
        ("text", "audio"),
        ("text", "video"),
        ("audio", "video"),
    )
)
ABLATIONS = (
    Ablation(
        name="no-label-encoder",
        summary="a learned query a label, linear head: no label word is read",
        settings={"label_encoder": None, "head": "linear"},
    ),
    Ablation(
        name="no-cross-modal-decoder",
        summary="each modality pooled, concatenated, MLP; nothing is left for label queries to do",
        settings={"label_encoder": None, "fusion": "pool", "head": "mlp"},
    ),
    Ablation(
        name="joint-decoder",
        summary="one cross-attention into all modalities side by side",
        settings={"fusion.joint": True},
    ),
    *ORDERS,
    *SUBSETS,
    Ablation(
        name="no-label-guided-prediction",
        summary="label queries in the decoder, linear head",
        settings={"head": "linear"},
    ),
    Ablation(
        name="pooled-prediction",
        summary="the mean query against every label",
        settings={"head.prediction": "pooled"},
    ),
    Ablation(
        name="label-template",
        summary="labels read in a sentence",
        settings={"label_encoder.text": "template"},
    ),
    Ablation(
        name="label-gloss",
        summary="glosses in place of label words",
        settings={"label_encoder.text": "gloss"},
    ),
    Ablation(
        name="label-word-gloss",
        summary="label words with their glosses",
        settings={"label_encoder.text": "word+gloss"},
    ),
    Ablation(
        name="label-random",
        summary="control: random label vectors",
        settings={"label_encoder": "label-random"},
    ),
    Ablation(
        name="label-table",
        summary="a learned vector a label under the same head: no label word is read",
        settings={"label_encoder": "label-table"},
    ),
    Ablation(
        name="label-shuffled",
        summary="control: each label has another's vector",
        settings={"label_encoder.shuffle": True},
    ),
    Ablation(
        name="tuned-label-encoder",
        summary="label vectors trained along",
        settings={"label_encoder.tuned": True, "train.lr_factors": TOWERS},
    ),
    Ablation(
        name="tuned-encoders",
        summary="text encoder and label vectors trained along",
        settings={
            "encoder.text.tuned": True,
            "label_encoder.tuned": True,
            "train.lr_factors": TOWERS,
        },
    ),
)


def _part(kind: str, name: str, target: str, summary: str, **declared: object) -> Component:
    return Component(
        kind=kind, name=name, target=f"merbench_merclip.{target}", summary=summary, **declared
    )  # type: ignore[arg-type]


@hookimpl
def merbench_components() -> Iterator[Component | Recipe]:
    vectors = ("modality_vectors", "modality_present", "label_vectors")
    yield _part(
        "fusion",
        "label-decoder",
        "decoder:LabelDecoder",
        "label queries look into one modality after another",
        reads=("queries",),
        returns="labels",
        provides=vectors,
    )
    yield _part(
        "head",
        "label-guided",
        "head:LabelGuided",
        "cosine to each label's vector",
        accepts=("pooled", "labels"),
        needs=("queries",),
    )
    yield _part(
        "objective",
        "label-contrast",
        "objective:LabelContrast",
        "each modality near its true label",
        needs=vectors,
    )
    yield Recipe(
        name="merclip",
        paper="Song and Cho 2025, WACV, arXiv 2506.00903",
        summary="MER-CLIP: label queries decode the modalities in turn (after Song & Cho 2025)",
        encoders={
            "words": "word-vectors",
            "strings": "word-vectors",
            "features": "feature-transformer",
        },
        label_encoder="label-vectors",
        fusion="label-decoder",
        head="label-guided",
        objective=("task",),
        # Item 14's rate of 1e-4 is meant for modules of a CLIP's width; those of width 64 want a
        # larger one.
        # CLIP's start of the head's scale, 1 / .07, is 2.8 times too sharp at width 64.
        settings={
            "head.start": "width",
            "head.tau_rate": 10.0,
            "train.lr": 1e-3,
            "train.batch_size": 32,
            "train.epochs": 50,
            "train.weight_decay": 1e-2,
            "train.schedule": "cosine",
        },
        # Item 15: with clips, the towers of one CLIP read transcripts, labels and frames.
        cases=(
            Case(
                offers=("video.clip", "audio.clip"),
                encoders={"strings": "clip-text", "video.clip": "clip-image", "audio.clip": "clap"},
                settings={"label_encoder": "label-clip"},
            ),
        ),
        # Its head has a logit an anchor. How it predicts is what it is, and an ablation.
        search={
            "objective.task.soft_weight": Tune(0.1, 10.0, log=True, spaces=("score", "joint")),
            "head.prediction": None,
        },
        ablations=ABLATIONS,
        caveat="reconstruction from the abstract; says nothing about the published results",
    )
