"""Each check of whole methods (recipes) is able to fail."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from merbench.api import Component, Config, Output, Recipe, Stage, Tune
from merbench.host.catalog import Catalog
from merbench.host.discovery import Plugin
from merbench.testing.checks import checks_of
from tests.testing.test_conformance import Sound, Square


class Whole(nn.Module):
    """Its learned mean is a buffer."""

    class Config(Config):
        pass

    def __init__(self, config, context, encoders):
        super().__init__()
        self.encoders = self.kept(encoders)
        self.register_buffer("mean", torch.zeros(()))

    def kept(self, encoders):
        return nn.ModuleDict(encoders)

    def fit(self, train, valid):
        self.mean = sum(batch.target.sum() for batch in train.batches()) / len(train)

    def forward(self, batch):
        return Output(self.mean.expand(len(batch), 1))


class Attribute(Whole):
    """Its learned mean is in no state."""

    def __init__(self, *given):
        super().__init__(*given)
        del self.mean
        self.mean = torch.zeros(())


class LosesEncoders(Whole):
    def kept(self, encoders):
        return dict(encoders)


@pytest.mark.parametrize(
    ("factory", "told"),
    [
        (Whole, ""),
        (Attribute, "kept in buffers"),
        (LosesEncoders, "audio encoder is not trained or saved"),
    ],
)
def test_a_closed_form_and_its_encoders_come_back_from_their_state(catalog, factory, told):
    model = Component(kind="model", name="it", summary="", target=f"{__name__}:{factory.__name__}")
    recipe = Recipe(
        name="closed",
        summary="",
        encoders={"features": "feature-bilstm"},
        model="it",
        objective=(),
        closed_form=True,
    )
    assert told in recipe_verdict(catalog, "state round-trips", model, recipe, factory)


SOUND = {"summary": "", "encoders": {"features": "features"}, "fusion": "it", "head": "linear"}


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ({}, ""),
        ({"stages": (Stage(trains=("fuson.",)),)}, "unknown beginning of parameter names 'fuson.'"),
        ({"stages": (Stage(objectives=("taks",)),)}, "learns by objective taks, and this run does not have it"),
        ({"search": {"fuson.width": None}}, "search names fuson.width, and no part has such a setting"),
        ({"settings": {"train.weight_decay": 0.0}}, "train.weight_decay=0.0 has no place on its log range"),
        ({"search": {"fusion.width": Tune(8, 64)}}, "the default of fusion.width lies outside its search range"),
    ],
)  # fmt: skip
def test_what_a_recipe_names_is_there(catalog, declared, told):
    fusion = Component(kind="fusion", name="it", summary="", target=f"{__name__}:Sound")
    assert told in recipe_verdict(
        catalog, "needs within provides", fusion, Recipe(name="closed", **SOUND, **declared), Sound
    )


def recipe_verdict(catalog, check, part, recipe, factory):
    mine = Catalog([*catalog.plugins, Plugin("plug", "dist", "1", (part, recipe))])
    load = mine.load
    mine.load = lambda component: factory if component.name == "it" else load(component)
    (found,) = (c for c in checks_of(mine, "closed") if c.name == check)
    verdict = found.run()
    assert (verdict.status == "failed") == bool(verdict.reason)
    return verdict.reason


class ReadsAll(Square):
    """It reads the target where it is not known, too."""

    def forward(self, model, batch, out, at):
        return {"square": (out.logits_BC - batch.target).square().mean()}


class ReadsWhatIsKnown(Square):
    def forward(self, model, batch, out, at):
        squared_BC = (out.logits_BC - batch.target).square()
        return {"square": squared_BC[batch.known].sum()}


@pytest.mark.parametrize(
    ("factory", "told"),
    [(ReadsAll, "learns from targets that are not known"), (ReadsWhatIsKnown, "")],
)
def test_targets_that_are_not_known_are_not_learned(catalog, factory, told):
    objective = Component(
        kind="objective", name="it", summary="", target=f"{__name__}:It", spaces=("multilabel",)
    )
    recipe = Recipe(name="closed", **{**SOUND, "fusion": "tfn", "objective": ("it",)})
    reason = recipe_verdict(catalog, "hidden targets are not learned", objective, recipe, factory)
    assert told in reason and bool(told) == bool(reason)


class InADict(Square):
    """Its state is in a Python dict, which no checkpoint knows."""

    def __init__(self, config, context, model):
        super().__init__(config, context, model)
        self.seen = {}

    def forward(self, model, batch, out, at):
        weight = 1 + sum(self.seen.values())
        return {"square": weight * (out.logits_BC - batch.target[:, None]).square().mean()}

    def after_batch(self, model, batch, out, at):
        for row in batch.ids_B.tolist():
            self.seen[row] = self.seen.get(row, 0) + 1


class InABuffer(InADict):
    def __init__(self, config, context, model):
        super().__init__(config, context, model)
        self.register_buffer("count", torch.zeros(()))

    def forward(self, model, batch, out, at):
        self.seen = {0: float(self.count)}
        return super().forward(model, batch, out, at)

    def after_batch(self, model, batch, out, at):
        self.count += len(batch)


@pytest.mark.parametrize(
    ("factory", "told"), [(InADict, "resumes to other weights of model"), (InABuffer, "")]
)
def test_state_that_no_checkpoint_knows_is_seen_when_a_run_is_killed(catalog, factory, told):
    objective = Component(kind="objective", name="it", summary="", target=f"{__name__}:It")
    recipe = Recipe(name="closed", **{**SOUND, "fusion": "tfn", "objective": ("it",)})
    check = "a killed run resumes to the same bits"
    assert told in recipe_verdict(catalog, check, objective, recipe, factory)
    assert bool(told) == bool(recipe_verdict(catalog, check, objective, recipe, factory))
