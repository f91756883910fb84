"""The ten systems through the harness, untrained. Each ablation changes what is computed: the
parameters, the predictions before any training, a term of the loss, or how it is trained. That each
trains is asked by ``merbench plugins check``.
"""

from __future__ import annotations

import pytest
import torch

from merbench.api import Batch, Progress, read_out
from merbench.engine.build import build
from merbench.engine.model.weight_average import MovingAverage
from merbench.engine.plan.plan import Request
from merbench.engine.plan.stages import settings_of
from merbench.engine.resolve import resolve
from merbench.engine.rows.splits import Fold
from merbench.engine.training.passes import Learning, Passes
from merbench.testing import tiny
from merbench.testing.parts.rowwise import ROWWISE, rowwise
from tests.everywhere.__main__ import RELATED


def untrained(catalog, model, kind, ablation=None, modalities=None):
    ablations = () if ablation is None else (ablation,)
    settings = {"train.epochs": 4, "train.batch_size": 6}
    request = Request(model, settings=settings, ablations=ablations, modalities=modalities)
    plan = resolve(request, catalog, tiny.corpus(kind), None)
    fold = Fold(plan.streams, plan.task, plan.protocol.splits[0], plan.lexicon)
    problem = build(plan, fold, 0, torch.device("cpu"))
    problem.model.eval()
    return plan, problem


def computed(catalog, model, kind, ablation=None, modalities=None):
    """Shapes of the parameters, train settings, each stage's terms of a batch, and predictions."""
    plan, problem = untrained(catalog, model, kind, ablation, modalities)
    fingerprint = {name: torch.tensor(p.shape) for name, p in problem.model.named_parameters()}
    fingerprint |= {f"{k} = {v}": torch.zeros(()) for k, v in plan.train.model_dump().items()}
    with torch.no_grad():
        for stage in plan.stages:
            if stage.epochs != 0:
                fingerprint |= _terms(problem, plan, stage)
        fingerprint["logits"] = problem.model(problem.train.batch(torch.arange(6))).logits_BC
    return fingerprint


def _terms(problem, plan, stage):
    """Of the second of two batches, when prototypes, queues and running labels hold something."""
    settings = settings_of(stage, plan.train)
    learning = Learning(problem.model, problem.objectives, problem.train, 0, None, problem.views)
    learning.average = MovingAverage(problem.model, settings.ema) if settings.ema else None
    passes = Passes(learning, settings, stage, 4)
    torch.manual_seed(0)
    with learning.teaching():
        for step, rows in enumerate(torch.arange(12).split(6)):
            at = Progress(3, 4, step, 2, stage.name)  # late, when no term waits for its turn
            batch, out, losses = passes.losses(rows, at)
            for objective in passes.objectives.values():
                if hasattr(objective, "after_batch"):
                    objective.after_batch(problem.model, batch, out, at)
    trains = torch.tensor([len(stage.trains)])
    return {f"{stage.name}: {term}": value for term, value in losses.items()} | {
        f"{stage.name}: trains {' '.join(stage.trains)}": trains
    }


def differ(a, b):
    if a.keys() != b.keys():
        return True
    return any(
        a[name].shape != b[name].shape
        or not torch.allclose(a[name].double(), b[name].double(), rtol=1e-6, atol=1e-9)
        for name in a
    )


KIND = {"mcl-ner": "class"}
"""Of a task in which tiny batches have what an ablation is about: there, two rows of one target."""


@pytest.mark.parametrize("model", RELATED.split())
def test_every_ablation_changes_what_is_computed(catalog, model):
    """But for those that leave a modality out, whose encoders go with it."""
    kind = KIND.get(model, "multilabel")
    full = computed(catalog, model, kind)
    ablations = [a.name for a in catalog.recipe(model).ablations if a.modalities is None]
    same = [name for name in ablations if not differ(full, computed(catalog, model, kind, name))]
    assert ablations and not same


@pytest.mark.parametrize("model", RELATED.split())
def test_two_modalities_suffice(catalog, model):
    pair = computed(catalog, model, "score", modalities=("text", "audio"))
    assert not any("video" in name for name in pair)
    assert all(torch.isfinite(value.double()).all() for value in pair.values())


@pytest.mark.parametrize("model", RELATED.split())
def test_rows_do_without_modalities_padding_and_each_other(catalog, model):
    _, problem = untrained(catalog, model, "score")
    batch = problem.train.batch(torch.arange(5))

    def logits(inputs):
        rows = len(next(iter(inputs.values())).mask_BL)
        return problem.model(Batch(batch.ids_B[:rows], inputs, batch.target[:rows])).logits_BC

    for check in ROWWISE.values():
        rowwise(logits, dict(batch.inputs), check)


@pytest.mark.parametrize(
    "model", ["lsgmer", "lgca", "tailor", "carat", "memobert", "scpnet", "kggr"]
)
def test_what_was_made_for_labels_reads_a_score_through_its_anchors(catalog, model):
    plan, problem = untrained(catalog, model, "score")
    with torch.no_grad():
        out = problem.model(problem.train.batch(torch.arange(5)))
    anchors_C = torch.tensor(plan.task.space.anchors)
    expected_B = out.logits_BC.softmax(-1) @ anchors_C
    assert len(anchors_C) == out.logits_BC.shape[1] > 2
    torch.testing.assert_close(read_out(out.logits_BC, plan.task.space), expected_B)


def test_a_request_that_changes_nothing_computes_the_same(catalog):
    assert not differ(*(computed(catalog, "lgca", "class") for _ in range(2)))
