"""What every baseline keeps to, and the parts that all of them share: the objective and the heads."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from merbench.api import (
    Component,
    Config,
    Fused,
    LabelCounts,
    Progress,
    Recipe,
    RequestError,
    Steps,
    TrainConfig,
    read_out,
    task_loss,
)
from merbench.host.catalog import Catalog
from merbench.host.discovery import Plugin
from merbench.testing import tiny
from merbench_baselines.fusions import early_lstm, late_dnn, lmf, mult, pool, tfn
from merbench_baselines.heads import MLP, Linear
from merbench_baselines.hooks import merbench_components
from merbench_baselines.objectives.task_loss import Task

DECLARED = list(merbench_components())
COMPONENTS = [d for d in DECLARED if isinstance(d, Component)]
RECIPES = [d for d in DECLARED if isinstance(d, Recipe)]
CATALOG = Catalog([Plugin("baselines", "merbench-baselines", "0", tuple(DECLARED))])
FUSIONS = {
    "pool-mean": (pool.Pool, {}),
    "pool-max": (pool.Pool, {"pooling": "max"}),
    "pool-last": (pool.Pool, {"pooling": "last"}),
    "pool-attention": (pool.Pool, {"pooling": "attention"}),
    "early": (early_lstm.EarlyFusionLSTM, {"hidden": 16}),
    "late": (late_dnn.LateFusionDNN, {"hidden": 16, "width": 8}),
    "tfn": (tfn.TFN, {"hidden": 16, "width": 4, "post": 16}),
    "tfn-proper": (tfn.TFN, {"hidden": 16, "width": 4, "post": 16, "products": "proper"}),
    "lmf": (lmf.LMF, {"hidden": 16, "factor": 8, "width": 8, "rank": 2}),
    "mult": (mult.MulT, {"width": 8, "heads": 2, "layers": 1, "memory_layers": 1}),
    "mult-plain": (
        mult.MulT,
        {
            "width": 8,
            "heads": 2,
            "layers": 1,
            "memory_layers": 0,
            "residual": "plain",
            "targets": ("text",),
        },
    ),
}
WIDTHS = {"text": 6, "audio": 6, "video": 6}


def build(name, widths=WIDTHS, **more):
    factory, settings = FUSIONS[name]
    torch.manual_seed(0)
    return factory(
        factory.Config(**{**settings, **more}), tiny.context(modalities=tuple(widths)), widths, None
    ).eval()


def by_part(parts, change):
    return {m: change(steps) for m, steps in parts.items()}


def garbage(steps):
    return Steps(torch.where(steps.mask_BL[..., None], steps.x_BLD, float("nan")), steps.mask_BL)


def longer(steps, by=3):
    x_BLD, mask_BL = steps
    return Steps(
        torch.cat((x_BLD, x_BLD.new_full((len(x_BLD), by, x_BLD.shape[2]), 9.0)), 1),
        torch.nn.functional.pad(mask_BL, (0, by)),
    )


# Declarations


def test_hooks_do_not_import_torch():
    code = "import merbench_baselines.hooks, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda c: f"{c.kind}-{c.name}")
def test_component_loads_and_its_defaults_lie_in_their_ranges(component):
    kind = CATALOG.load(component).Config
    assert issubclass(kind, Config)
    config = kind()
    for name, tune in kind.tunable().items():
        assert tune.holds(getattr(config, name)), name


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: r.name)
def test_settings_of_recipes_and_ablations_name_fields_that_hold_them(recipe):
    slots = {"train": TrainConfig}
    for kind in ("model", "fusion", "head"):
        if name := getattr(recipe, kind):
            slots[kind] = CATALOG.load(CATALOG.component(kind, name)).Config
    for name in recipe.objective:
        slots[f"objective.{name}"] = CATALOG.load(CATALOG.component("objective", name)).Config
    for view in recipe.views:
        for name in view.transforms:
            config = CATALOG.load(CATALOG.component("view", name)).Config
            slots[f"view.{view.name}.{name}"] = config
    # A stage's are the train settings and its epochs, which these have too.
    slots |= {f"stage.{stage.name}": TrainConfig for stage in recipe.stages}
    published = (recipe.settings, *(case.settings for case in recipe.cases))
    for settings in (*published, *(a.settings for a in recipe.ablations)):
        for key, value in settings.items():
            slot, _, field = key.rpartition(".")
            if slot.startswith("encoder") or not slot:
                continue
            slots[slot](**{field: value})
            tune = recipe.search.get(key, slots[slot].tunable().get(field))
            assert settings not in published or tune is None or tune.holds(value), key


# All fusions


@pytest.mark.parametrize("name", FUSIONS)
class TestFusion:
    def test_declares_its_width(self, name):
        fusion = build(name)
        assert fusion(tiny.parts()).z_BCD.shape == (5, 1, fusion.width)

    def test_padding_changes_nothing(self, name):
        fusion, parts = build(name), tiny.parts()
        base = fusion(parts).z_BCD
        assert torch.allclose(fusion(by_part(parts, garbage)).z_BCD, base, atol=1e-5)
        assert torch.allclose(fusion(by_part(parts, longer)).z_BCD, base, atol=1e-5)

    def test_a_row_does_not_depend_on_its_batch(self, name):
        fusion, parts = build(name), tiny.parts()
        base, order = fusion(parts).z_BCD, torch.tensor([3, 0, 4, 1, 2])
        assert torch.allclose(
            fusion(by_part(parts, lambda s: Steps(s.x_BLD[order], s.mask_BL[order]))).z_BCD,
            base[order],
            atol=1e-5,
        )
        alone = by_part(
            parts,
            lambda s: Steps(
                s.x_BLD[2:3, : s.mask_BL[2].sum()], s.mask_BL[2:3, : s.mask_BL[2].sum()]
            ),
        )
        assert torch.allclose(fusion(alone).z_BCD, base[2:3], atol=1e-5)

    def test_missing_modalities_are_finite_and_leave_other_rows_alone(self, name):
        fusion, parts = build(name), tiny.parts()
        base = fusion(parts).z_BCD
        for missing in [*([m] for m in parts), list(parts)]:
            others_B1 = (torch.arange(5) != 2)[:, None]
            less = {
                m: Steps(s.x_BLD, s.mask_BL & others_B1) if m in missing else s
                for m, s in parts.items()
            }
            z_BCD = fusion(by_part(less, garbage)).z_BCD
            assert torch.isfinite(z_BCD).all()
            assert torch.allclose(z_BCD[[0, 1, 3, 4]], base[[0, 1, 3, 4]], atol=1e-5)
        dropped = fusion({m: s for m, s in parts.items() if m != "audio"}).z_BCD
        masked = fusion(
            {
                m: Steps(s.x_BLD, torch.zeros_like(s.mask_BL)) if m == "audio" else s
                for m, s in parts.items()
            }
        ).z_BCD
        assert torch.allclose(dropped, masked, atol=1e-6)

    def test_holes_in_a_mask_are_not_read(self, name):
        fusion, parts = build(name), tiny.parts()
        hole = by_part(
            parts, lambda s: Steps(s.x_BLD, s.mask_BL & (torch.arange(s.mask_BL.shape[1]) != 1))
        )
        assert torch.allclose(fusion(by_part(hole, garbage)).z_BCD, fusion(hole).z_BCD, atol=1e-5)

    def test_gradient_reaches_every_parameter_and_is_finite(self, name):
        fusion = build(name)
        parts = by_part(tiny.parts(size=8), garbage)
        parts["audio"].mask_BL[1] = False
        z_BCD = fusion(parts).z_BCD
        (
            z_BCD * torch.randn(z_BCD.shape, generator=torch.Generator().manual_seed(0))
        ).sum().backward()
        for parameter_name, parameter in fusion.named_parameters():
            assert (
                parameter.grad is not None
                and parameter.grad.isfinite().all()
                and parameter.grad.abs().sum() > 0
            ), parameter_name

    def test_two_modalities_are_enough(self, name):
        fusion = build(name, {"text": 6, "video": 4})
        parts = {"text": tiny.steps(), "video": tiny.steps(width=4, length=7, seed=1)}
        assert fusion(parts).z_BCD.shape == (5, 1, fusion.width)

    def test_overfits_eight_rows(self, name):
        parts, y_B = tiny.parts(size=8), tiny.targets(tiny.SPACES["score"], 8)
        fusion = build(name)
        head = Linear(Linear.Config(), tiny.context(), fusion.width, None)
        optimiser = torch.optim.Adam([*fusion.parameters(), *head.parameters()], lr=1e-2)
        for _ in range(80):
            loss = (head(fusion(parts))[:, 0] - y_B).abs().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        assert loss < 0.3 * (y_B - y_B.median()).abs().mean()


# Heads


@pytest.mark.parametrize("kind", tiny.SPACES)
@pytest.mark.parametrize("head", [Linear, MLP])
def test_heads_read_pooled_and_label_wise_vectors(head, kind):
    context = tiny.context(kind)
    module = head(head.Config(), context, 6, None).eval()
    labels = len(context.space.words)
    z_BCD = torch.randn(5, labels, 6)
    assert module(Fused(z_BCD[:, :1])).shape == (5, context.space.logit_count)
    logits_BC = module(Fused(z_BCD))
    assert logits_BC.shape == (5, labels)
    # Logit c is what the pooled head makes of z_c for label c; all anchors of a score are one
    # label.
    number = {"score": [0] * 7, "joint": [0] * 7 + list(range(1, 7))}.get(kind, range(labels))
    for c in range(labels):
        alone = module(Fused(z_BCD[:, c : c + 1]))
        assert torch.allclose(logits_BC[:, c], alone[:, number[c]], atol=1e-6)


# The objective


@pytest.mark.parametrize("kind", tiny.SPACES)
def test_task_is_the_task_loss_times_its_weight(kind):
    context = tiny.context(kind)
    batch, logits_BC = tiny.batch(context, {}, 5), torch.randn(5, len(context.space.words))
    out = type("Out", (), {"logits_BC": logits_BC})
    terms = Task(Task.Config(weight=0.5, soft_weight=2.0), context, None)(
        None, batch, out, Progress(0, 1, 0, 1, "main")
    )
    want = task_loss(logits_BC, batch.target, None, context.space, 2.0)
    assert terms.keys() == want.keys()
    for name, term in terms.items():
        assert torch.allclose(term, 0.5 * want[name])


def test_task_balances_labels_by_their_train_counts():
    context = tiny.context("multilabel")
    counts = LabelCounts(
        np.full(6, 100.0), np.array([50.0, 20.0, 1.0, 0.0, 100.0, 80.0]), np.eye(6)
    )
    objective = Task(Task.Config(balance=True), replace(context, counts=counts), None)
    assert torch.allclose(objective.pos_weight_C, torch.tensor([1.0, 4.0, 20.0, 20.0, 0.05, 0.25]))
    batch, logits_BC = tiny.batch(context, {}, 5), torch.randn(5, 6)
    actual = objective(
        None, batch, type("Out", (), {"logits_BC": logits_BC}), Progress(0, 1, 0, 1, "main")
    )["bce"]
    p_BC, y_BC = logits_BC.sigmoid(), batch.target
    assert torch.allclose(
        actual,
        -(objective.pos_weight_C * y_BC * p_BC.log() + (1 - y_BC) * (1 - p_BC).log()).mean(),
        atol=1e-5,
    )


def test_task_refuses_to_balance_what_is_not_multilabel():
    with pytest.raises(RequestError, match="multilabel"):
        Task(Task.Config(balance=True), tiny.context("score"), None)


def test_read_out_of_a_linear_head_is_its_logit():
    context = tiny.context()
    logits_BC = Linear(Linear.Config(), context, 6, None)(Fused(torch.randn(5, 1, 6)))
    assert torch.equal(read_out(logits_BC, context.space), logits_BC[:, 0])
