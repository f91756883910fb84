"""What this package offers to merbench. Imports no logging library."""

from merbench.api import Component, hookimpl


@hookimpl
def merbench_components():
    yield Component(
        kind="logger",
        name="tensorboard",
        target="merbench_loggers.tensorboard:TensorBoard",
        summary="event files of TensorBoard in a folder: losses and validation scores by epoch",
    )
    yield Component(
        kind="logger",
        name="mlflow",
        target="merbench_loggers.mlflow:MLflow",
        summary="MLflow runs in FOLDER/mlflow.db, or on a tracking server (http://...)",
    )
    yield Component(
        kind="logger",
        name="wandb",
        target="merbench_loggers.wandb:WandB",
        summary="Weights & Biases runs in a folder, offline; `wandb sync` uploads them",
    )
