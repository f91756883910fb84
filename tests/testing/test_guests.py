"""What packages of others need of the API, each written as a guest would and run through the harness:
per-sample state under accumulation, a teacher that is resumed, three views, a method for labels
alone, a head with its own loss.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import merbench.engine.training.checkpoint as checkpoints
from merbench.api import (
    Component,
    Config,
    Fused,
    Recipe,
    RequestError,
    RunError,
    Steps,
    View,
    masked_mean,
)
from merbench.engine.build import build
from merbench.engine.learn import learn
from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.engine.rows.splits import Fold
from merbench.engine.training.checkpoint import Checkpoint
from merbench.engine.training.evaluate import predict, weights_digest
from merbench.host.catalog import Catalog
from merbench.host.discovery import Plugin
from merbench.results.store.store import Store
from merbench.testing import tiny
from merbench.testing.checks import checks_of
from merbench.testing.parts.language_model import TinyLanguage

CPU = torch.device("cpu")


class Mean(nn.Module):
    """A fusion: the mean of a projection of each modality."""

    class Config(Config):
        width: int = 8

    def __init__(self, config, context, widths, query_width):
        super().__init__()
        self.width = config.width
        self.project = nn.ModuleDict({m: nn.Linear(w, config.width) for m, w in widths.items()})

    def forward(self, parts, queries=None):
        pooled = [self.project[m](masked_mean(*steps)) for m, steps in parts.items()]
        return Fused(torch.stack(pooled).mean(0)[:, None])


class Part(nn.Module):
    class Config(Config):
        pass

    def __init__(self, config, context, model):
        super().__init__()
        self.seen = []


class UnimodalLabels(Part):
    """As Self-MM: a running label for each train row, moved a little by every batch it is in."""

    def __init__(self, config, context, model):
        super().__init__(config, context, model)
        self.line = nn.Linear(model.widths["fused"], 1)
        self.register_buffer("label_N", torch.zeros(context.n_train))
        self.register_buffer("moved_N", torch.zeros(context.n_train))
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, model, batch, out, at):
        own_B = self.line(out.fused.z_BCD[:, 0])[:, 0]
        return {"unimodal": (own_B - self.label_N[batch.ids_B]).abs().mean()}

    def after_batch(self, model, batch, out, at):
        self.label_N[batch.ids_B] += 0.5 * (batch.target - self.label_N[batch.ids_B])
        self.moved_N[batch.ids_B] += 1

    def after_step(self, model, at):
        self.steps += 1


class MeanTeacher(Part):
    """As Tarvainen & Valpola: near what the moving average says of the same rows."""

    def forward(self, model, batch, out, at):
        with torch.no_grad():
            taught = model.teacher(batch).logits_BC
        return {"teacher": at.share * F.mse_loss(out.logits_BC, taught)}


class ThreeViews(Part):
    """As SCPNet and its like: three decodings of one batch agree."""

    def forward(self, model, batch, out, at):
        views = [model.decode(batch.views[name]).logits_BC for name in ("weak", "strong", "as-is")]
        self.seen.append([v.detach() for v in views])
        return {"views": F.mse_loss(views[0].detach(), views[1]) + F.mse_loss(views[2], views[0])}


class Asymmetric(Part):
    """As ASL: a loss of labels alone."""

    def forward(self, model, batch, out, at):
        p_BC = out.logits_BC.sigmoid()
        wrong_BC = torch.where(batch.target > 0.5, 1 - p_BC, p_BC.square())
        cells_BC = -(1 - wrong_BC).clamp(min=1e-6).log()
        return {"asl": (cells_BC if batch.known is None else cells_BC[batch.known]).mean()}


class Gaussian(nn.Module):
    """A head of mean and log variance, with its own read-out and loss."""

    class Config(Config):
        pass

    def __init__(self, config, context, width, query_width):
        super().__init__()
        self.line = nn.Linear(width, 2)

    def forward(self, fused, queries=None):
        logits_B2 = self.line(fused.z_BCD[:, 0])
        return logits_B2, {"log_variance": logits_B2[:, 1]}

    def read_out(self, out):
        return out.logits_BC[:, 0]

    def loss(self, out, batch):
        nll = F.gaussian_nll_loss(out.logits_BC[:, 0], batch.target, out.logits_BC[:, 1].exp())
        return {"nll": nll}


class NoTerms(Gaussian):
    """Its loss is no mapping."""

    def loss(self, out, batch):
        return out.logits_BC.square().mean()


class Prompted(nn.Module):
    """A fusion inside the text encoder's language model: the text, a prompt with a mask, and the
    mean of what is heard as one step more; the state at the mask.
    """

    class Config(Config):
        pass

    def __init__(self, config, context, widths, query_width):
        super().__init__()
        self.language = context.language_model
        self.width = self.language.width
        self.enter = nn.Linear(widths["audio"], self.width)

    def forward(self, parts, queries=None):
        x_BLD, mask_BL = parts["text"]
        language, heard_BD = self.language, self.enter(masked_mean(*parts["audio"]))
        ids = torch.tensor([*language.pieces("i am"), language.mask])
        prompt_BPD = language.embed(ids).expand(len(x_BLD), -1, -1)
        x_BLD = torch.cat((prompt_BPD, heard_BD[:, None], x_BLD), 1)
        there_BP = torch.ones(len(x_BLD), len(ids) + 1, dtype=torch.bool)
        states_BLD = language.run(x_BLD, torch.cat((there_BP, mask_BL), 1))
        return Fused(states_BLD[:, len(ids) - 1][:, None])


class LabelWords(nn.Module):
    """A head of the same language model: the score of each label's word at that state."""

    class Config(Config):
        pass

    def __init__(self, config, context, width, query_width):
        super().__init__()
        self.language = context.language_model
        self.labels = [self.language.pieces(word) for word in context.space.words]
        self.offset_C = nn.Parameter(torch.zeros(len(self.labels)))

    def forward(self, fused, queries=None):
        return self.language.scores(fused.z_BCD[:, 0], self.labels) + self.offset_C


class Letters(nn.Module):
    """A text encoder with a language model."""

    class Config(Config):
        pass

    frozen = True

    def __init__(self, config, context, stream):
        super().__init__()
        self.language_model, self.measured = TinyLanguage(), {}
        self.width = self.language_model.width

    def prepare(self, rows):
        self.vocab = rows.vocab
        return rows

    def forward(self, words):
        first = torch.tensor([self.language_model.pieces(word)[0] for word in self.vocab])
        return Steps(self.language_model.embed(first[words.x_BLD[..., 0]]), words.mask_BL)


def guest(catalog, **recipe):
    """The catalogue with these parts, and a recipe ``it`` of them."""
    here = f"{__name__}:"
    both = {"accepts": ("pooled",), "provides": ("log_variance",)}
    views = ("composed", "view.weak", "view.strong", "view.as-is")
    parts = [
        Component(kind="fusion", name="it-mean", summary="", target=f"{here}Mean"),
        Component(kind="head", name="it-gaussian", summary="", target=f"{here}Gaussian", spaces=("score",), **both),
        Component(kind="head", name="it-no-terms", summary="", target=f"{here}NoTerms", spaces=("score",), **both),
        Component(kind="fusion", name="it-prompted", summary="", target=f"{here}Prompted", needs=("language_model",), required_modalities=("text", "audio"), min_modalities=2),
        Component(kind="head", name="it-words", summary="", target=f"{here}LabelWords", accepts=("pooled",), needs=("language_model",)),
        Component(kind="encoder", name="it-letters", summary="", target=f"{here}Letters", accepts=("words",), provides=("language_model",)),
        Component(kind="objective", name="it-labels", summary="", target=f"{here}UnimodalLabels", needs=("fused",), spaces=("score",)),
        Component(kind="objective", name="it-teacher", summary="", target=f"{here}MeanTeacher", needs=("teacher",)),
        Component(kind="objective", name="it-views", summary="", target=f"{here}ThreeViews", needs=views),
        Component(kind="objective", name="it-asl", summary="", target=f"{here}Asymmetric", spaces=("multilabel",)),
    ]  # fmt: skip
    declared = {
        "encoders": {"features": "feature-transformer"},
        "fusion": "it-mean",
        "head": "linear",
    }
    it = Recipe(name="it", summary="", **{**declared, **recipe})
    return Catalog([*catalog.plugins, Plugin("guest", "guest-dist", "1", (*parts, it))])


def trained(catalog, recipe, kind="score", settings=None, watch=lambda entry: None, place=None):
    mine = guest(catalog, **recipe)
    short = {"train.epochs": 3, "train.batch_size": 4, **(settings or {})}
    plan = resolve(Request("it", settings=short), mine, tiny.corpus(kind), None)
    fold = Fold(plan.streams, plan.task, plan.protocol.splits[0], plan.lexicon)
    problem = build(plan, fold, 0, CPU)
    fitted = learn(plan, problem, fold, 0, watch, place)
    return problem, fitted, fold


@pytest.mark.parametrize("accumulate", [1, 2])
def test_state_of_every_sample_is_kept_whatever_is_accumulated(catalog, accumulate):
    problem, fitted, _ = trained(
        catalog, {"objective": ("task", "it-labels")}, settings={"train.accumulate": accumulate}
    )
    labels = problem.objectives["it-labels"]
    epochs = len(fitted.history)
    assert labels.moved_N.tolist() == [epochs] * 12
    assert int(labels.steps) == epochs * -(-3 // accumulate)
    target = problem.train.target
    assert torch.allclose(labels.label_N, target * (1 - 0.5**epochs), atol=1e-5)


class Stopped(BaseException):
    pass


def test_a_taught_run_that_is_killed_goes_on_to_the_same_bits(catalog, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "EVERY", 0)
    monkeypatch.setattr(checkpoints, "SHARE", 0)
    recipe = {"objective": ("task", "it-teacher", "it-labels"), "settings": {"train.ema": 0.8}}
    whole, fitted, _ = trained(catalog, recipe)
    store, seen = Store(tmp_path), []

    def stop(entry):
        seen.append(entry)
        if len(seen) == 2:
            raise Stopped

    with pytest.raises(Stopped):
        trained(catalog, recipe, watch=stop, place=Checkpoint(store, "run", {}))
    again, refitted, _ = trained(catalog, recipe, place=Checkpoint(store, "run", {}))
    assert refitted.history == fitted.history
    assert weights_digest(again.model) == weights_digest(whole.model)


def test_three_views_of_a_batch_are_decoded(catalog):
    views = (View("weak", ("noise",)), View("strong", ("crop", "mask-spans")), View("as-is"))
    problem, _, _ = trained(catalog, {"objective": ("task", "it-views"), "views": views})
    weak, strong, as_is = problem.objectives["it-views"].seen[0]
    assert not torch.equal(weak, as_is) and not torch.equal(strong, as_is)


def test_a_method_for_labels_alone_is_refused_elsewhere_and_passes_its_checks(catalog):
    recipe = {"objective": ("it-asl",), "fusion": "it-mean"}
    with pytest.raises(RequestError, match="it-asl is for a multilabel task"):
        trained(catalog, recipe)
    trained(catalog, recipe, kind="multilabel")
    mine = guest(catalog, **recipe)
    verdicts = {c.name: c.run() for c in checks_of(mine, "it")}
    assert "builds for a multilabel" in verdicts and "builds for a score" not in verdicts
    assert {v.status for v in verdicts.values()} == {"passed"}, [
        v for v in verdicts.values() if v.status != "passed"
    ]


def test_a_head_with_two_columns_its_own_loss_and_read_out(catalog):
    problem, fitted, fold = trained(catalog, {"head": "it-gaussian"})
    assert set(fitted.history[0]["loss"]) == {"task.nll"}
    assert predict(problem.model, problem.valid, fold.space).shape == (6,)


def test_a_loss_that_is_no_mapping_is_one_sentence(catalog):
    with pytest.raises(RunError, match=r"NoTerms.loss\(\) returned a Tensor; .* terms by name"):
        trained(catalog, {"head": "it-no-terms"})


INSIDE = {
    "encoders": {"words": "it-letters", "features": "features"},
    "fusion": "it-prompted",
    "head": "it-words",
}


def test_a_language_model_is_shared_by_encoder_fusion_and_head(catalog):
    problem, _, fold = trained(catalog, INSIDE, kind="multilabel")
    assert predict(problem.model, problem.valid, fold.space).shape == (6, 6)
    mine = guest(catalog, **INSIDE)
    for name in ("it-letters", "it-prompted", "it-words"):
        verdicts = {c.name: c.run() for c in checks_of(mine, name)}
        assert {v.status for v in verdicts.values()} <= {"passed", "skipped"}, verdicts
        assert verdicts["state round-trips"].status in ("passed", "skipped")
    assert {c.name: c.run() for c in checks_of(mine, "it-letters")}[
        "language model"
    ].status == "passed"


def test_what_works_inside_a_language_model_is_refused_without_one(catalog):
    without = {**INSIDE, "encoders": {"words": "word-vectors", "features": "features"}}
    with pytest.raises(
        RequestError, match=r"fusion it-prompted works inside .* word-vectors has none"
    ):
        trained(catalog, without)
