"""What the encoders around a pretrained network share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.api import Config, RequestError, Steps
from merbench_encoders.adapters import add_adapters, drop_idle_adapters

Precision = Literal["fp32", "bf16", "fp16"]
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """The context in which a frozen network is called."""
    return torch.autocast(device.type, dtype=_DTYPES[precision], enabled=precision != "fp32")


class TowerConfig(Config):
    """What is trained of a pretrained network, and what it computes in."""

    tuned: bool = False
    """All of it is trained along."""
    lora_rank: Annotated[int, Field(ge=0)] = 0
    """Adapters of this rank are trained in its place, beside those linear layers that it calls
    (LoRA, Hu et al. 2021, 2106.09685); 0 = none. Where the attention reads its weights without
    calling its layers (open_clip, WavLM), they stand in the feed-forward parts alone.
    """
    precision: Precision = "fp32"
    """Of a frozen network's matrix products (autocast); what it returns is float32."""


class Tower(nn.Module):
    """Holds a pretrained ``net``: always in evaluation mode and without gradients, unless it is
    tuned or has adapters.

    Of ``net`` the state holds what is trained and nothing else; the rest comes from the weights'
    files.
    """

    weights_prefix = "net."

    def __init__(self, net: nn.Module, config: TowerConfig) -> None:
        super().__init__()
        self.net, self.tuned, self.frozen = net, config.tuned, prepare_training(net, config)
        self.precision: Precision = config.precision if self.frozen else "fp32"
        keep_trained(self)
        self.measured: dict[str, float] = {}

    @staticmethod
    def fixed(config: Any) -> bool:
        """Whether its output for a row depends on the row, the settings and the weights' files
        alone.
        """
        return (
            not config.tuned and not config.lora_rank and config.pretrained not in (None, "random")
        )

    def cast(self, device: torch.device) -> torch.autocast:
        """The context in which ``net`` is called."""
        return autocast(device, self.precision)

    def settle_adapters(self, example: Any) -> None:
        """Keep the adapters that act on ``example``, inputs of one row; called when all that
        ``forward`` needs is there. RequestError where there are adapters and none acts.
        """

        def output() -> Tensor:
            steps: Steps = self(example)
            return steps.x_BLD

        drop_idle_adapters(self.net, output)

    def train(self, mode: bool = True) -> Tower:
        super().train(mode)
        if not self.tuned:
            self.net.eval()
        return self


def prepare_training(net: nn.Module, config: TowerConfig) -> bool:
    """Mark what ``config`` trains of ``net``, with its adapters; True: nothing is. RequestError
    where peft is needed and absent.
    """
    if config.tuned and config.lora_rank:
        raise RequestError(
            "tuned=true trains the whole network and lora_rank adapters in its place; "
            "set one of them"
        )
    net.requires_grad_(config.tuned)
    if config.lora_rank:
        add_adapters(net, config.lora_rank)
    return not config.tuned and not config.lora_rank


def keep_trained(module: nn.Module) -> None:
    """From now on the state of ``module`` leaves out what is not trained of its ``net``, and is
    loaded without it.
    """

    def leave_out(module: nn.Module, state: dict[str, Tensor], prefix: str, _: Any) -> None:
        trained = {
            name for name, parameter in module.net.named_parameters() if parameter.requires_grad
        }
        if len(trained) < len(list(module.net.parameters())):
            for name in [
                n
                for n in state
                if n.startswith(f"{prefix}net.") and n.removeprefix(f"{prefix}net.") not in trained
            ]:
                del state[name]

    def fill_in(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
        for name, tensor in module.net.state_dict().items():
            state.setdefault(f"{prefix}net.{name}", tensor)

    module.register_state_dict_post_hook(leave_out)
    module.register_load_state_dict_pre_hook(fill_in)


def digest(files: Iterable[Path]) -> str:
    """SHA-256 of the files' contents, one after the other. A file is read again only when its size,
    time of change or place on the disk is another, as in git's index: every plan of a study asks.
    """
    combined = hashlib.sha256()
    for path in files:
        about = path.stat()
        state = about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino
        combined.update(_content(path.absolute(), state))
    return combined.hexdigest()


@lru_cache(256)
def _content(path: Path, state: tuple[int, ...]) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
