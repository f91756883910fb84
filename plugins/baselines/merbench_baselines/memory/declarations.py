"""Memory fusion networks: all modalities step by step, with a memory across them."""

from __future__ import annotations

from collections.abc import Iterator

from merbench.api import Ablation, Case, Component, Recipe, Tune
from merbench_baselines.declare import NO_DECAY, PAIRS, SINGLES, VECTORS, part


def components() -> Iterator[Component]:
    yield part("fusion", "mfn", "memory.mfn:MFN", "delta-memory attention over an LSTM a modality")
    yield part(
        "fusion", "graph-mfn", "memory.graph_mfn:GraphMFN", "a graph of all subsets of modalities"
    )
    provided = ("errors", "latents", "present")
    yield part(
        "fusion",
        "mfm",
        "memory.mfm:MFM",
        "factors that decide, and factors that generate each modality",
        provides=provided,
    )
    yield part(
        "objective",
        "mfm",
        "memory.mfm:MFMLoss",
        "errors of the generated streams, latents near a Gaussian",
        needs=provided,
    )


def recipes() -> Iterator[Recipe]:
    yield _mfm()
    yield _mfn()
    yield _graph_mfn()


def _mfn() -> Recipe:
    return Recipe(
        name="mfn",
        paper="Zadeh et al. 2018, AAAI, arXiv 1802.00927",
        summary="Memory Fusion Network (Zadeh et al. 2018)",
        encoders=VECTORS,
        fusion="mfn",
        head="mlp",
        settings={
            "head.hidden": 128,
            "head.dropout": 0.0,
            "train.batch_size": 128,
            "train.lr": 2e-3,
            "train.weight_decay": 0.0,
            "train.optimiser": "adam",
            "train.schedule": "constant",
        },
        search=NO_DECAY,
        cases=(
            Case(
                datasets=("mosei",),
                settings={
                    "fusion.hidden_text": 128,
                    "fusion.hidden_video": 128,
                    "fusion.memory": 128,
                    "fusion.attention_hidden": 128,
                    "fusion.update_hidden": 128,
                    "fusion.update_dropout": 0.5,
                    "fusion.write_hidden": 256,
                    "fusion.write_dropout": 0.0,
                    "head.dropout": 0.5,
                    "train.batch_size": 64,
                    "train.lr": 5e-4,
                    "train.weight_decay": 1e-4,
                },
            ),
        ),
        ablations=(
            Ablation(
                name="no-delta",
                summary="attention to the memories of one step",
                settings={"fusion.delta": False},
            ),
            Ablation(
                name="no-gated-memory",
                summary="the last step's update in place of a memory across time",
                settings={"fusion.summary": "last"},
            ),
            Ablation(
                name="no-cross-view",
                summary="the LSTMs' states alone",
                settings={"fusion.summary": "none"},
            ),
            Ablation(
                name="gates-see-memory",
                summary="gates that also read the memory, as in the authors' code",
                settings={"fusion.gates": "fusion+memory"},
            ),
            *SINGLES,
            *PAIRS,
        ),
    )


def _graph_mfn() -> Recipe:
    return Recipe(
        name="graph-mfn",
        paper="Zadeh et al. 2018, ACL, P18-1208",
        summary="MFN with a dynamic fusion graph (Zadeh et al. 2018)",
        encoders=VECTORS,
        fusion="graph-mfn",
        head="mlp",
        settings={
            "head.hidden": 256,
            "head.dropout": 0.0,
            "train.batch_size": 32,
            "train.lr": 2e-3,
            "train.weight_decay": 5e-3,
            "train.optimiser": "adam",
            "train.schedule": "constant",
        },
        search={**NO_DECAY, "head.dropout": Tune(0.0, 0.7)},
        cases=(
            Case(
                datasets=("mosei",),
                settings={
                    "fusion.hidden_text": 64,
                    "fusion.hidden_audio": 16,
                    "fusion.hidden_video": 64,
                    "fusion.node": 128,
                    "fusion.update_dropout": 0.5,
                    "fusion.retain_hidden": 64,
                    "fusion.retain_dropout": 0.0,
                    "fusion.write_hidden": 256,
                    "fusion.write_dropout": 0.7,
                    "head.hidden": 128,
                    "head.dropout": 0.7,
                    "train.batch_size": 64,
                    "train.weight_decay": 1e-3,
                },
            ),
            # The published decay is for BERT's states; on word vectors it outweighs the gradient.
            Case(offers=("text.words",), settings={"train.weight_decay": 0.0}),
        ),
        ablations=(
            Ablation(
                name="no-efficacies",
                summary="every edge of the graph in full",
                settings={"fusion.efficacies": False},
            ),
            Ablation(
                name="states",
                summary="nodes of the LSTMs' states, as in public code",
                settings={"fusion.singles": "states"},
            ),
            *PAIRS,
        ),
        min_modalities=2,
    )


def _mfm() -> Recipe:
    weights = {"text": 5.0, "audio": 2.0, "video": 5.0, "prior": 10.0}
    nothing = {f"objective.mfm.{m}": 0.0 for m in ("text", "audio", "video")}
    mosei = {
        "hidden_text": 256,
        "hidden_video": 256,
        "attention_hidden": 128,
        "attention_dropout": 0.5,
        "update_hidden": 32,
        "update_dropout": 0.7,
        "retain_hidden": 64,
        "retain_dropout": 0.5,
        "write_hidden": 128,
        "write_dropout": 0.2,
        "latent": 32,
        "latent_text": 256,
        "factor": 16,
        "factor_audio": 80,
        "factor_video": 32,
        "factor_dropout": 0.2,
        "factor_dropout_text": 0.7,
        "factor_dropout_video": 0.7,
    }
    return Recipe(
        name="mfm",
        paper="Tsai et al. 2019, ICLR, arXiv 1806.06176",
        summary="Multimodal Factorization Model (Tsai et al. 2019)",
        encoders=VECTORS,
        fusion="mfm",
        head="mlp",
        objective=("task", "mfm"),
        settings={
            "head.hidden": 64,
            "head.dropout": 0.0,
            "train.batch_size": 64,
            "train.lr": 1e-3,
            "train.weight_decay": 1e-3,
            "train.optimiser": "adam",
            "train.schedule": "constant",
        },
        search={"fusion.update_dropout": Tune(0.0, 0.7)},
        cases=(
            Case(
                datasets=("mosei",),
                settings={
                    **{f"fusion.{name}": value for name, value in mosei.items()},
                    **{f"objective.mfm.{name}": value for name, value in weights.items()},
                    "head.hidden": 16,
                    "head.dropout": 0.2,
                    "train.weight_decay": 5e-4,
                },
            ),
        ),
        ablations=(
            Ablation(name="no-generation", summary="nothing is generated", settings=nothing),
            Ablation(
                name="no-prior",
                summary="latents free of a Gaussian",
                settings={"objective.mfm.prior": 0.0},
            ),
            Ablation(
                name="no-private-factors",
                summary="every modality generated from the factor that decides",
                settings={"fusion.private": False},
            ),
            *SINGLES,
            *PAIRS,
        ),
    )
