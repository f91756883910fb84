"""Low-rank adapters beside the linear layers of a pretrained network (LoRA, Hu et al. 2021,
2106.09685).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from merbench.api import RequestError


def add_adapters(net: nn.Module, rank: int) -> None:
    """Put adapters beside all linear layers and mark them alone as trained. RequestError where
    peft is absent, or there is no such layer.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise RequestError(
            f"lora_rank needs peft, which cannot be imported ({error}); "
            "pip install 'merbench-encoders[lora]'"
        ) from None
    # torch's attention never calls its projections, so an adapter beside one of them (a subclass of
    # Linear) would do nothing.
    layers = [name for name, module in net.named_modules() if type(module) is nn.Linear]
    if not layers:
        raise _nowhere_to_learn()
    settings = LoraConfig(r=rank, lora_alpha=rank, target_modules=layers, lora_dropout=0.0)
    try:
        inject_adapter_in_model(settings, net)
    except ValueError as error:  # as of Mamba, whose kernels read the weights of their layers
        raise RequestError(
            f"peft puts no adapters into {type(net).__name__} ({str(error).splitlines()[0]}); "
            "set tuned=true to train all of it, or lora_rank=0"
        ) from error


def drop_idle_adapters(net: nn.Module, output: Callable[[], Tensor]) -> None:
    """Take away the adapters that ``output()``, one call of ``net``, does not depend on: those of
    layers whose weights are read directly (WavLM's attention, CLIP's attention pool, EVA's fused
    projection) or that no output comes from. Nothing happens where there are no adapters.

    Raises RequestError where none is left.
    """
    adapted = _adapted_layers(net)
    if not adapted:
        return
    training = net.training
    net.eval()  # no dropout: the run's random numbers stay as they are
    with torch.enable_grad():
        total = output().sum()
    net.train(training)
    acting = _reached(total, adapted)
    if not acting:
        raise _nowhere_to_learn()
    for name, layer in adapted.items():
        if name not in acting:
            net.set_submodule(name, layer.get_base_layer())  # type: ignore[operator]


def _adapted_layers(net: nn.Module) -> dict[str, nn.Module]:
    """Name -> each layer of ``net`` that stands in an adapter."""
    return {name: module for name, module in net.named_modules() if hasattr(module, "lora_A")}


def _reached(total: Tensor, adapted: dict[str, nn.Module]) -> set[str]:
    """Names of the layers of which a trained parameter has a gradient of ``total``."""
    if not total.requires_grad:
        return set()
    owners, parameters = [], []
    for name, layer in adapted.items():
        for parameter in layer.parameters():
            if parameter.requires_grad:
                owners.append(name)
                parameters.append(parameter)
    gradients = torch.autograd.grad(total, parameters, allow_unused=True)
    return {name for name, gradient in zip(owners, gradients, strict=True) if gradient is not None}


def _nowhere_to_learn() -> RequestError:
    return RequestError(
        "lora_rank finds no linear layer in this network whose adapter would change its output "
        "(weights are read without a call, as in the attention pool of CLIP's ResNets); "
        "set tuned=true to train all of it, or lora_rank=0"
    )
