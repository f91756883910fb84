"""``python theirs.py MODEL PICKLE FOLDER SETTINGS``: MMSA's own run of so many epochs, one thread.

SETTINGS is JSON: ``epochs``, and what is laid over MMSA's configuration of MOSI.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import torch


def without_verbose(kind: type) -> Any:
    """``kind``, made without its argument of that name."""

    class Quiet(kind):  # type: ignore[misc, valid-type]
        def __init__(self, *arguments: Any, verbose: bool = False, **more: Any) -> None:
            super().__init__(*arguments, **more)

    return Quiet


torch.set_num_threads(1)
# MMIM names an argument that torch has no longer.
torch.optim.lr_scheduler.ReduceLROnPlateau = without_verbose(  # type: ignore[misc]
    torch.optim.lr_scheduler.ReduceLROnPlateau
)
# Refused where there is no card, and MMSA asks always.
torch.cuda.set_device = lambda device: None  # type: ignore[assignment]

import MMSA.run  # noqa: E402
from MMSA.models.singleTask.MCTN import Seq2Seq  # noqa: E402
from MMSA.trains import ATIO  # noqa: E402


def stopping_after(epochs: int) -> Any:
    """``ATIO.getTrain`` whose trainers stop there: MMSA has no limit but its patience."""
    get_trainer = ATIO.getTrain

    def limited(self: ATIO, args: Any) -> Any:
        trainer, validations = get_trainer(self, args), []
        validate = trainer.do_test

        def counted(model: Any, rows: Any, mode: str = "VAL", **more: Any) -> Any:
            validations.extend([mode] * (mode == "VAL"))
            trainer.args.early_stop = 0 if len(validations) == epochs else 100
            return validate(model, rows, mode=mode, **more)

        trainer.do_test = counted
        return trainer

    return limited


def on_the_cpu(build: Any) -> Any:
    """``Seq2Seq.__init__``: MCTN makes its two for "cuda", wherever it runs."""

    def built(self: Any, encoder: Any, decoder: Any, device: str, lengths: Any = None) -> None:
        build(self, encoder, decoder, "cpu", lengths)

    return built


def main(model: str, pickle: str, folder: str, settings: str) -> None:
    config = json.loads(settings)
    Seq2Seq.__init__ = on_the_cpu(Seq2Seq.__init__)
    ATIO.getTrain = stopping_after(config.pop("epochs"))
    MMSA.run.MMSA_run(
        model,
        "mosi",
        config={"featurePath": pickle, **config},
        seeds=[1],
        gpu_ids=[],
        num_workers=0,
        model_save_dir=folder,
        res_save_dir=folder,
        log_dir=folder,
        verbose_level=0,
    )


main(*sys.argv[1:])
