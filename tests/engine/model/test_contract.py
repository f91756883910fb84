"""Parts that hand over what they may not, through a whole run: one sentence names the part, and
nothing else stops.
"""

from __future__ import annotations

import dataclasses
import re
from types import MappingProxyType

import pytest
import torch
from torch import nn

from merbench.api import (
    Component,
    Config,
    Fused,
    Output,
    Recipe,
    RequestError,
    Stage,
    Steps,
    masked_mean,
)
from merbench.api.dataset_forms import Source
from merbench.data.intake.add import recognise
from merbench.engine.build import build
from merbench.engine.learn import learn
from merbench.engine.model.contract import fault
from merbench.engine.plan.datasets import open_dataset
from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.engine.rows.splits import Fold
from merbench.host.catalog import Catalog
from merbench.host.discovery import Plugin
from merbench.testing import tiny
from merbench.testing.recipes.trained import CPU


class Part(nn.Module):
    class Config(Config):
        pass

    def __init__(self, *given):
        super().__init__()
        self.width = 4


class Undeclared(Part):
    def __init__(self, config, context, stream):
        super().__init__()
        self.line = nn.Linear(stream.width, 4)

    def prepare(self, rows):
        return rows


class Pooled(Undeclared):
    frozen, measured = False, {}

    def forward(self, steps):
        return Steps(masked_mean(self.line(steps.x_BLD), steps.mask_BL), steps.mask_BL)


class Forgetful(Pooled):
    def prepare(self, rows):
        pass


class Flat(Part):
    def __init__(self, config, context, widths, query_width):
        super().__init__()
        self.lines = nn.ModuleDict({m: nn.Linear(w, 4) for m, w in widths.items()})

    def forward(self, parts, queries=None):
        return Fused(sum(self.lines[m](masked_mean(*steps)) for m, steps in parts.items()))


class Sound(Flat):
    def forward(self, parts, queries=None):
        return Fused(super().forward(parts).z_BCD[:, None])


class Bare(Part):
    def forward(self, space=None):
        return torch.zeros(7, 4)


class OneAxis(Part):
    def forward(self, fused, queries=None):
        return fused.z_BCD[:, 0, 0]


class Three(Part):
    def forward(self, fused, queries=None):
        return fused.z_BCD[:, 0, :3]


class NoSteps(Sound):
    """Declared to return a sequence."""


class NoSlots(Sound):
    """Declared to return slots."""


class TwoAndAux(Part):
    """A Gaussian head: mean and log variance, with a read-out and a loss of its own."""

    def __init__(self, config, context, width, query_width):
        super().__init__()
        self.line = nn.Linear(width, 2)

    def forward(self, fused, queries=None):
        logits_B2 = self.line(fused.z_BCD[:, 0])
        return logits_B2, {"log_variance": logits_B2[:, 1]}

    def read_out(self, out):
        return out.logits_BC[:, 0]

    def loss(self, out, batch):
        mean_B, log_variance_B = out.logits_BC.T
        square_B = (mean_B - batch.target).square()
        return {"nll": 0.5 * (log_variance_B + square_B * (-log_variance_B).exp()).mean()}


class WrongReadOut(TwoAndAux):
    def read_out(self, out):
        return out.logits_BC


class NamedNothing(TwoAndAux):
    """Declared to provide an aux that it does not return."""

    def forward(self, fused, queries=None):
        return self.line(fused.z_BCD[:, 0])


class Silent(Part):
    def forward(self, model, batch, out, at):
        return {}


class ByRow(Part):
    def forward(self, model, batch, out, at):
        return {"square": out.logits_BC.square()[:, 0]}


class Apart(Part):
    def forward(self, model, batch, out, at):
        return {"mean": out.logits_BC.detach().mean()}


class Stumbles(Part):
    def forward(self, model, batch, out, at):
        return {"gates": out.aux["gates"].mean()}


class Naked(Part):
    def __init__(self, *given):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, 1))

    def forward(self, batch):
        return self.bias.expand(len(batch), 1)


class NoModule:
    class Config(Config):
        pass

    def __init__(self, *given):
        pass


class Unasked(Part):
    def __init__(self, config):
        super().__init__()


class Uninitialised(Sound):
    def __init__(self, config, context, *given):
        self.line = nn.Linear(4, 4)


class PlainConfig(Sound):
    class Config:
        pass


HERE = {
    kind: (
        Component(
            kind=kind,
            name="mine",
            summary="",
            target=f"{__name__}:Sound",
            accepts=("pooled", "features"),
        )
    )
    for kind in ("encoder", "label-encoder", "fusion", "head", "objective", "model")
}


def learned(catalog, factory, kind, declared=MappingProxyType({}), corpus=None, **recipe):
    """A run of an epoch with ``factory`` in one place of a sound method."""
    composed = {"fusion": "lone", "head": "linear"}
    places = {"encoder": "encoders", "label-encoder": "label_encoder", "objective": "objective"}
    value = {"encoder": {"features": "mine"}, "objective": ("mine",)}.get(kind, "mine")
    recipe = {
        "encoders": {"features": "features"},
        **({} if kind == "model" else composed),
        places.get(kind, kind): value,
        **recipe,
    }
    target = f"{__name__}:Sound"
    lone = Component(kind="fusion", name="lone", summary="", target=target, reads=("queries",))
    catalog_with_guest = Catalog(
        [
            *catalog.plugins,
            Plugin(
                "plug",
                "dist",
                "1",
                (
                    dataclasses.replace(HERE[kind], **declared),
                    lone,
                    Recipe(name="mine", summary="", **recipe),
                ),
            ),
        ]
    )
    load = catalog_with_guest.load
    catalog_with_guest.load = lambda c: {"mine": factory, "lone": Sound}.get(c.name) or load(c)
    plan = resolve(
        Request("mine", settings={"train.epochs": 1}),
        catalog_with_guest,
        corpus or tiny.corpus(),
        None,
    )
    fold = Fold(plan.streams, plan.task, plan.protocol.splits[0], plan.lexicon)
    try:
        learn(plan, build(plan, fold, 0, CPU), fold, 0)
    except Exception as error:
        return f"{fault(error, plan.parts.values())}: {error}"
    return "trained"


@pytest.mark.parametrize(
    ("factory", "kind", "sentence"),
    [
        (Pooled, "encoder", r"encoder .*:Pooled returned Steps of a tensor \[12, 4\] .* Steps of \[12, L, 4\] and \[12, L\]"),
        (Undeclared, "encoder", r"encoder mine .* has no frozen and no measured"),
        (Forgetful, "encoder", r"prepare\(\) of encoder .*:Forgetful returned None"),
        (Flat, "fusion", r"fusion .*:Flat returned Fused of a tensor \[12, 4\] .* Fused of \[12, 1 or labels, 4\]"),
        (Bare, "label-encoder", r"label encoder .*:Bare returned a tensor \[7, 4\] .* Queries"),
        (OneAxis, "head", r"head .*:OneAxis returned a tensor \[12\] .* logits \[12, C\]"),
        (Three, "head", r"the logits have 3 columns, and a score with these labels takes 1 or 7"),
        (Silent, "objective", r"objective mine \(.*:Silent\) returned {}; .* at least one"),
        (ByRow, "objective", r"objective mine returned {'square': a tensor \[12\] of float32}"),
        (Apart, "objective", r"nothing that is trained takes part in mine.mean"),
        (Stumbles, "objective", r"objective mine \(test_contract.py, line \d+\): 'gates'"),
        (Naked, "model", r"model .*:Naked returned a tensor \[12, 1\] .* Output"),
        (NoModule, "fusion", r"fusion mine .* is no torch.nn.Module"),
        (Unasked, "fusion", r"fusion mine .* does not take what a part of its kind is made with: too many positional arguments"),
        (Uninitialised, "fusion", r"fusion mine \(test_contract.py, line \d+\): cannot assign"),
        (Sound, "fusion", "trained"),
    ],
)  # fmt: skip
def test_what_a_part_hands_over_is_told_in_one_sentence(catalog, factory, kind, sentence):
    assert re.search(sentence, learned(catalog, factory, kind))


@pytest.mark.parametrize(
    ("factory", "kind", "declared", "sentence"),
    [
        (NoSteps, "fusion", {"returns": "sequence"}, r"NoSteps returned None; .* Fused with steps of \[12, L, 4\]"),
        (NoSlots, "fusion", {"returns": "slots"}, r"NoSlots returned None; .* slots_BMCD of \[12, M, 1, 4\]"),
        (Sound, "fusion", {"provides": ("gates",)}, r"Sound is declared to provide gates, and its aux hold nothing"),
        (TwoAndAux, "head", {"provides": ("log_variance",)}, "trained"),
        (NamedNothing, "head", {"provides": ("log_variance",)}, r"declared to provide log_variance, and its aux hold nothing"),
        (WrongReadOut, "head", {}, r"read_out\(\) of head .*:WrongReadOut returned a tensor \[\d+, 2\] .* predictions \[\d+\]"),
        (TwoAndAux, "head", {"needs": ("gates",)}, r"head mine needs gates, and the parts before it provide nothing"),
        (TwoAndAux, "head", {"accepts": ("labels", "slots")}, r"head mine accepts labels and slots, and fusion lone returns pooled"),
    ],
)  # fmt: skip
def test_what_a_part_is_declared_to_return_is_held_to(catalog, factory, kind, declared, sentence):
    try:
        message = learned(catalog, factory, kind, declared)
    except RequestError as error:
        message = str(error)
    assert re.search(sentence, message)


@pytest.mark.parametrize(
    ("factory", "kind", "recipe", "sentence"),
    [
        (PlainConfig, "fusion", {}, "fusion mine has a Config that is no merbench.api.Config"),
        (Naked, "model", {"closed_form": True}, r"needs a whole model with a method fit\(train, valid\)"),
        (Naked, "model", {"fusion": "lone"}, "is a whole model, which takes no fusion"),
        (Sound, "fusion", {"objective": ()}, "learns by an objective, and this run has none"),
        (Sound, "fusion", {"settings": {"fuson.width": 3}}, r"unknown setting 'fuson.width'; did you mean 'fusion.width'"),
        (Sound, "fusion", {"stages": (Stage(settings={"lrr": 1}),)}, r"unknown setting 'train.lrr'.*stage main of model mine"),
    ],
)  # fmt: skip
def test_a_recipe_that_cannot_be_meant_is_refused_before_training(
    catalog, factory, kind, recipe, sentence
):
    with pytest.raises(RequestError, match=sentence):
        learned(catalog, factory, kind, **recipe)


@pytest.mark.parametrize("kind", ["score", "multilabel", "joint"])
def test_what_is_for_one_kind_of_task_is_refused_elsewhere(catalog, kind):
    declared = {"spaces": ("multilabel",)}
    for declaration in (declared, {}):
        recipe = {"spaces": ("multilabel",)} if not declaration else {}
        try:
            sentence = learned(
                catalog, Sound, "fusion", declaration, corpus=tiny.corpus(kind), **recipe
            )
        except RequestError as error:
            sentence = str(error)
        who = "fusion" if declaration else "model"
        wrong = f"{who} mine is for a multilabel task, and task of tiny is a {kind} task"
        assert sentence.startswith("trained" if kind == "multilabel" else wrong)


class Whole(Part):
    """A whole model of one line for each modality."""

    def __init__(self, config, context, encoders):
        super().__init__()
        self.encoders = nn.ModuleDict(encoders)
        self.lines = nn.ModuleDict({m: nn.Linear(e.width, 1) for m, e in encoders.items()})

    def forward(self, batch):
        pooled = {m: masked_mean(*e(batch.inputs[m])) for m, e in self.encoders.items()}
        return Output(sum(self.lines[m](x) for m, x in pooled.items()))


@pytest.mark.parametrize(
    ("recipe", "sentence"),
    [
        ({"stages": (Stage(trains=("liens.",)),)}, "names 'liens.'; did you mean 'lines.'.*stage main of model mine"),
        ({"settings": {"train.lr_factors": {"encoder.": 0.1}}}, "names 'encoder.'; did you mean 'encoders.'"),
        ({"stages": (Stage(settings={"lr_factors": {"liens.": 0.1}}),)}, "'liens.'.*lr_factors of stage main of model mine"),
        ({"stages": (Stage(trains=("encoders.",)),)}, "trains encoders., and no parameter of these can be trained in this run"),
        ({"stages": (Stage(trains=("lines.audio", "objective.")),)}, "^trained$"),
        ({"settings": {"train.decay_factors": {"encoders.text.": 0.0}}}, "^trained$"),
    ],
)  # fmt: skip
def test_a_prefix_that_names_no_parameter_is_refused_in_whole_models_too(catalog, recipe, sentence):
    assert re.search(sentence, learned(catalog, Whole, "model", **recipe))


class NoCorpus:
    def __init__(self, config):
        pass

    def load(self):
        return None


class NoLoad(NoCorpus):
    def load(self):
        return {}["rows"]


@pytest.mark.parametrize(
    ("factory", "sentence"),
    [
        (NoCorpus, r"load\(\) of dataset mine .* returned a NoneType"),
        (NoLoad, r"dataset mine .* cannot be made: KeyError: 'rows'"),
    ],
)
def test_a_data_set_that_is_not_made_is_told(factory, sentence):
    catalog_with_guest = Catalog(
        [
            Plugin(
                "plug",
                "dist",
                "1",
                (Component(kind="dataset", name="mine", summary="", target=f"{__name__}:It"),),
            )
        ]
    )
    catalog_with_guest.load = lambda component: factory
    with pytest.raises(RequestError, match=sentence):
        open_dataset(catalog_with_guest, "mine", [])


def test_a_form_that_fails_is_not_in_the_way_of_the_others(tmp_path):
    class Fails:
        looks_for = "nothing"

        def recognise(self, source):
            return {}["q"]

    class Fits(Fails):
        def recognise(self, source):
            return ""

    assert recognise(Source(tmp_path), {"fails": Fails(), "fits": Fits()}) == "fits"
    with pytest.raises(RequestError, match=r"not fails: recognise\(\) failed: KeyError: 'q'"):
        recognise(Source(tmp_path), {"fails": Fails()})
