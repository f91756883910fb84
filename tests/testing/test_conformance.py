"""Our own plugins pass the checks that guests must pass; and each check is able to fail."""

from __future__ import annotations

import os
from typing import Annotated

import pytest
import torch
from torch import nn

from merbench.api import (
    MODALITIES,
    Component,
    Config,
    Fused,
    Queries,
    Recipe,
    RequestError,
    Steps,
    TensorRows,
    Tune,
    masked_mean,
)
from merbench.host.catalog import Catalog
from merbench.host.discovery import Plugin
from merbench.testing import tiny
from merbench.testing.checks import check_plugin, checks_of
from merbench.testing.verdict import Check, Skip

TRAINING = (": overfits", ": ablation", ": a killed run", ": hidden targets")
"""Checks of recipes that train for seconds each."""
TRAINED = ("merclip", "text-only", "tfn", "self-mm")
"""Recipes that they are made of here, one of each kind; ``tox -e conform`` takes all."""
RELATED = ("related",) if "MERBENCH_CONFORM" in os.environ else ()
"""Its parts are tested one by one in tests/plugins; all its checks are minutes of work."""


@pytest.mark.merbench_plugin("baselines", "datasets", "encoders", "merclip", *RELATED)
def test_our_plugins_conform(merbench_check, request):
    kind, name = request.node.callspec.id.partition(":")[0].split()
    trains = any(check in request.node.callspec.id for check in TRAINING)
    if kind == "model" and trains and name not in TRAINED and "MERBENCH_CONFORM" not in os.environ:
        pytest.skip("tox -e conform")
    merbench_check()


class Sound(nn.Module):
    """A fusion that keeps every rule; the ones below break one rule each."""

    class Config(Config):
        width: int = 4

    def __init__(self, config, context, widths, query_width):
        super().__init__()
        self.width = config.width
        self.project = nn.ModuleDict({m: nn.Linear(w, config.width) for m, w in widths.items()})

    def pooled(self, parts):
        return torch.stack(
            [self.project[m](masked_mean(*steps)) for m, steps in parts.items()]
        ).mean(0)

    def forward(self, parts, queries=None):
        return Fused(self.pooled(parts)[:, None])


class WrongWidth(Sound):
    def __init__(self, *given):
        super().__init__(*given)
        self.width = 5


class MeanOverPadding(Sound):
    def pooled(self, parts):
        return torch.stack(
            [self.project[m](steps.x_BLD.mean(1)) for m, steps in parts.items()]
        ).mean(0)


class TimesTheMask(Sound):
    """0 * NaN is NaN: what is masked still counts."""

    def pooled(self, parts):
        return torch.stack(
            [
                self.project[m](
                    (s.x_BLD * s.mask_BL[..., None]).sum(1)
                    / s.mask_BL.sum(1, keepdim=True).clamp(min=1)
                )
                for m, s in parts.items()
            ]
        ).mean(0)


class FillsWithTheBatch(Sound):
    """A row that lacks a modality is given what the others have on average."""

    def pooled(self, parts):
        vectors = []
        for m, steps in parts.items():
            z, present_B = self.project[m](masked_mean(*steps)), steps.mask_BL.any(1)
            usual = z[present_B].mean(0) if present_B.any() else z[0] * 0
            vectors.append(torch.where(present_B[:, None], z, usual))
        return torch.stack(vectors).mean(0)


class LooksAtOtherRows(Sound):
    def pooled(self, parts):
        z = super().pooled(parts)
        return z + torch.arange(len(z))[:, None]


class DividesByLength(Sound):
    def pooled(self, parts):
        return torch.stack(
            [
                self.project[m](
                    s.x_BLD.mul(s.mask_BL[..., None]).sum(1) / s.mask_BL.sum(1, keepdim=True)
                )
                for m, s in parts.items()
            ]
        ).mean(0)


class UnusedParameter(Sound):
    def __init__(self, *given):
        super().__init__(*given)
        self.idle = nn.Linear(2, 2)


class BuiltForAbsentModalities(Sound):
    def __init__(self, config, context, widths, query_width):
        super().__init__(config, context, dict.fromkeys(MODALITIES, 6), query_width)


class GatedBySoftmax(Sound):
    """Scores that say nothing where a run has a single modality."""

    def __init__(self, config, context, widths, query_width):
        super().__init__(config, context, widths, query_width)
        self.gate = nn.ModuleDict({m: nn.Linear(w, 1, bias=False) for m, w in widths.items()})

    def pooled(self, parts):
        means = {m: masked_mean(*steps) for m, steps in parts.items()}
        weight_MB1 = torch.stack([self.gate[m](x) for m, x in means.items()]).softmax(0)
        return (weight_MB1 * torch.stack([self.project[m](x) for m, x in means.items()])).sum(0)


class HiddenState(Sound):
    def __init__(self, *given):
        super().__init__(*given)
        self.hidden = nn.ParameterList([nn.Parameter(torch.zeros(1))])

    def load_state_dict(self, state, *more, **kinds):
        return super().load_state_dict(
            {k: v for k, v in state.items() if not k.startswith("project")}, strict=False
        )

    def pooled(self, parts):
        return super().pooled(parts) + self.hidden[0]


class OutOfRange(Sound):
    class Config(Config):
        width: Annotated[int, Tune(8, 64)] = 4


class ForNoField(Sound):
    class Config(Config):
        width: Annotated[int, Tune(2, 64, where=("reader", "lstm"))] = 4


class OneTask(Sound):
    def __init__(self, config, context, *given):
        super().__init__(config, context, *given)
        if context.space.kind == "joint":
            raise RequestError(
                "fusion one-task learns a score or labels; choose one of them with --task"
            )


class OverTheBatch(Sound):
    """Batch norm by the batch, also when it is evaluated."""

    def pooled(self, parts):
        z = super().pooled(parts)
        return (z - z.mean(0)) / (z.std(0, unbiased=False) + 1e-3)


BREAKS = {
    OverTheBatch: "a row alone",
    WrongWidth: "declared width",
    FillsWithTheBatch: "a row alone",
    MeanOverPadding: "padding invariance",
    TimesTheMask: "padding invariance",
    LooksAtOtherRows: "batch permutation",
    DividesByLength: "missing modality is finite",
    UnusedParameter: "gradient reaches every parameter",
    BuiltForAbsentModalities: "gradient reaches every parameter",
    HiddenState: "state round-trips",
}


def verdicts(factory, kind="fusion", **declared):
    component = Component(
        kind=kind, name="it", summary="", target=f"{__name__}:{factory.__name__}", **declared
    )
    catalog = Catalog([Plugin("plug", "dist", "1", (component,))])
    catalog.load = lambda component: factory
    return {v.check: v for v in check_plugin(catalog, "it")}


@pytest.mark.parametrize("factory", [Sound, GatedBySoftmax])
def test_a_sound_part_passes_them_all(factory):
    assert {v.status for v in verdicts(factory).values()} == {"passed"}


@pytest.mark.parametrize("factory", BREAKS)
def test_each_check_fails_for_the_part_that_breaks_its_rule(factory):
    verdict = verdicts(factory)[BREAKS[factory]]
    assert verdict.status == "failed" and verdict.reason


@pytest.mark.parametrize(
    ("accepts", "status"), [(("strings", "clip"), "passed"), (("strings", "features"), "failed")]
)
def test_an_encoder_whose_output_is_kept_reads_what_is_told_apart(accepts, status):
    component = Component(
        kind="encoder", name="it", summary="", target="nowhere:It", accepts=accepts, version=1
    )
    mine = Catalog([Plugin("plug", "dist", "1", (component,))])
    (check,) = (c for c in checks_of(mine, "it") if c.name == "keeps what can be kept")
    assert check.run().status == status


def test_a_default_outside_its_range_fails():
    assert "outside" in verdicts(OutOfRange)["defaults lie in their Tune ranges"].reason
    assert "'reader'" in verdicts(ForNoField)["defaults lie in their Tune ranges"].reason


class Texts(nn.Module):
    """A text encoder over strings: a vector for the length of each word."""

    frozen, width = False, 3

    class Config(Config):
        pass

    def __init__(self, config, context, stream):
        super().__init__()
        self.table = nn.Embedding(20, self.width)

    def prepare(self, rows):
        texts = [(text or "").split() for text in rows[torch.arange(len(rows))]]
        mask_NL = torch.arange(9) < torch.tensor([[len(words)] for words in texts])
        ids_NL = torch.tensor(
            [[len(word) for word in words] + [0] * (9 - len(words)) for words in texts]
        )
        return TensorRows((ids_NL, mask_NL), Steps)

    def forward(self, steps):
        return Steps(self.mixed(self.table(steps.x_BLD)), steps.mask_BL)

    def mixed(self, x_BLD):
        return x_BLD


class TextsWithPadding(Texts):
    def mixed(self, x_BLD):
        return x_BLD - x_BLD.mean(1, keepdim=True)


@pytest.mark.parametrize(("factory", "status"), [(Texts, "passed"), (TextsWithPadding, "failed")])
def test_an_encoder_of_strings_is_checked_as_any_other(factory, status):
    found = verdicts(factory, kind="encoder", accepts=("strings",))
    assert found["padding invariance"].status == status
    assert {v.status for name, v in found.items() if name != "padding invariance"} == {"passed"}


class Pretrained(Texts):
    class Config(Config):
        weights: str = "on-no-machine"

    def __init__(self, config, context, stream=None):
        super().__init__(config, context, stream)
        assert config.weights == "random"

    @staticmethod
    def pretrained(config):
        return {config.weights: "0" * 64}


class PretrainedWithTiny(Pretrained):
    @staticmethod
    def tiny():
        return Pretrained.Config(weights="random")


class PretrainedLabels(PretrainedWithTiny):
    def forward(self, space=None):
        return Queries(self.table.weight[: len((space or tiny.SPACES["score"]).words)])


@pytest.mark.parametrize("kind", ["encoder", "label-encoder"])
def test_a_part_that_starts_from_weights_is_checked_with_its_tiny_ones(kind):
    sound = PretrainedWithTiny if kind == "encoder" else PretrainedLabels
    declared = {"kind": kind, "pretrained": ("weights",)}
    declared |= {"accepts": ("strings",)} if kind == "encoder" else {}
    assert {v.status for v in verdicts(sound, **declared).values()} == {"passed"}
    skipped = [v for v in verdicts(Pretrained, **declared).values() if v.status == "skipped"]
    assert len(skipped) > 2 and all("static method tiny()" in v.reason for v in skipped)


class Square(nn.Module):
    """A sound objective."""

    class Config(Config):
        pass

    def __init__(self, config, context, model):
        super().__init__()

    def forward(self, model, batch, out, at):
        return {"square": out.logits_BC.square().mean()}


class NoTerms(Square):
    def forward(self, model, batch, out, at):
        return {}


class Detached(Square):
    def forward(self, model, batch, out, at):
        return {"square": out.logits_BC.detach().square().mean()}


@pytest.mark.parametrize(
    ("factory", "told"),
    [
        (Square, ""),
        (NoTerms, "returned {}; it is to return terms by name"),
        (Detached, "no term of it.square has a gradient"),
    ],
)
def test_an_objective_is_called_without_a_recipe(factory, told):
    assert told in verdicts(factory, kind="objective")["terms of the loss"].reason


@pytest.mark.parametrize(
    "error",
    [
        OSError("no file"),
        ImportError("no module"),
        ZeroDivisionError("by 0"),
        Exception("whatever"),
    ],
)
def test_whatever_a_plugin_raises_is_a_failed_check(error):
    def body():
        raise error

    verdict = Check("part", "check", body).run()
    assert verdict.status == "failed"
    assert verdict.reason.startswith(f"{type(error).__name__}: {error} (test_conformance.py, line ")


def test_a_declared_failure_is_strict_both_ways():
    known = {"declared width": "it is wide on Sundays"}
    assert verdicts(WrongWidth, known_failures=known)["declared width"].status == "known failure"
    assert verdicts(Sound, known_failures=known)["declared width"].status == "failed"
    assert (
        verdicts(Sound, known_failures={"declared with": "?"})["declared with"].status == "failed"
    )


@pytest.mark.parametrize(("factory", "status"), [(Sound, "passed"), (OneTask, "skipped")])
def test_a_method_for_one_task_at_a_time_refuses_two_and_is_not_held_to_them(
    catalog, factory, status
):
    fusion = Component(
        kind="fusion", name="one-task", summary="", target=f"{__name__}:{factory.__name__}"
    )
    recipe = Recipe(
        name="one-task",
        summary="",
        encoders={"features": "features"},
        fusion="one-task",
        head="linear",
    )
    mine = Catalog([*catalog.plugins, Plugin("plug", "dist", "1", (fusion, recipe))])
    (check,) = (c for c in checks_of(mine, "one-task") if c.name == "builds for a joint")
    verdict = check.run()
    assert verdict.status == status and ("choose one of them" in verdict.reason) == (
        status == "skipped"
    )


def plugin_verdicts(*plugins):
    from merbench.testing.checks import _loads, _own_names

    catalog = Catalog(plugins)
    return [
        Check("plugin", "it", body).run().reason
        for body in (lambda: _loads(plugins[0]), lambda: _own_names(catalog, plugins[0]))
    ]


def test_a_plugin_that_offers_nothing_or_what_others_offer_fails():
    fusion = Component(kind="fusion", name="it", summary="", target="nowhere:It")
    mine = Plugin("mine", "my-dist", "1", (fusion,))
    assert plugin_verdicts(mine, Plugin("other", "their-dist", "1")) == ["", ""]
    assert "@hookimpl" in plugin_verdicts(Plugin("mine", "my-dist", "1"))[0]
    assert (
        "declared twice, by my-dist and by their-dist"
        in plugin_verdicts(mine, Plugin("other", "their-dist", "1", (fusion,)))[1]
    )
    assert (
        "their-dist has an entry point of this name too"
        in plugin_verdicts(mine, Plugin("mine", "their-dist", "1"))[1]
    )


def test_an_unknown_name_is_told(catalog):
    with pytest.raises(RequestError, match="did you mean 'merclip'"):
        list(checks_of(catalog, "mercliq"))


def test_skips_say_why():
    def body():
        raise Skip("not here")

    assert Check("it", "check", body).run().reason == "not here"
