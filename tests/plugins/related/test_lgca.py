"""LGCA's fusion against a loop over unpadded rows."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from merbench.api import MODALITIES, Queries, RequestError, Steps
from merbench.engine.build import build
from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.engine.rows.splits import Fold
from merbench.testing import tiny
from merbench_encoders.labels.towers import _READERS, Reader, _factory
from merbench_related.lgca.fusion import LabelAttentive
from tests.plugins.perturbed import perturbed


def fusion(modalities=MODALITIES, **config) -> LabelAttentive:
    torch.manual_seed(0)
    widths = dict.fromkeys(modalities, 6)
    settings = LabelAttentive.Config(**{"width": 8, **config})
    return perturbed(LabelAttentive(settings, tiny.context(), widths, 10)).eval()


def ragged() -> dict[str, Steps]:
    """Row 2 lacks audio, row 3 lacks everything."""
    lacking = {"text": [3], "audio": [2, 3], "video": [3]}
    return {
        m: tiny.steps(length=4 + i, seed=i, missing=lacking[m]) for i, m in enumerate(MODALITIES)
    }


def one_cell(model: LabelAttentive, parts, emb_D, row: int):
    """z of one label of one row."""
    representations, scores = [], []
    for m, steps in parts.items():
        x_LD = model.project[m](steps.x_BLD[row][steps.mask_BL[row]])
        if not len(x_LD):
            continue
        label_D = model.label[m](emb_D)
        near_L = torch.stack([torch.cosine_similarity(label_D, x_D, 0) for x_D in x_LD])
        weight_L = (near_L / model.config.temperature).exp()
        if not model.config.interaction:
            weight_L = torch.ones(len(x_LD))
        r_D = sum(w * x_D for w, x_D in zip(weight_L / weight_L.sum(), x_LD, strict=True)) + label_D
        representations.append(r_D)
        scores.append(model.score(torch.cat([r_D, label_D])) if model.score else torch.zeros(1))
    if not representations:
        return model.norm(torch.zeros(8))
    share_M = torch.cat(scores).softmax(0)
    return model.norm(sum(s * r_D for s, r_D in zip(share_M, representations, strict=True)))


@pytest.mark.parametrize(
    "config", [{}, {"guided": False}, {"interaction": False}, {"modalities": ("text",)}]
)
def test_fusion_is_the_loop_over_labels_rows_and_real_steps(config):
    model, emb_CD = fusion(**config), torch.randn(7, 10)
    parts = {m: s for m, s in ragged().items() if m in model.widths}
    z_BCD = model(parts, Queries(emb_CD)).z_BCD
    for row in range(5):
        for c, emb_D in enumerate(emb_CD):
            expected_D = one_cell(model, parts, emb_D, row)
            torch.testing.assert_close(z_BCD[row, c], expected_D, atol=1e-5, rtol=1e-4)


def test_a_label_s_vector_decides_which_step_is_read():
    """With a low temperature a label that lies on a step reads that step alone."""
    model = fusion(("text",), temperature=0.02)
    steps = tiny.steps(1, 4, 6)
    x_LD = model.project["text"](steps.x_BLD[0])
    for step in range(4):
        read_D = model.enhance(Steps(x_LD[None], steps.mask_BL), x_LD[[step]])[0, 0]
        torch.testing.assert_close(read_D, 2 * x_LD[step], atol=0.05, rtol=0.05)


def test_permuting_the_labels_permutes_z():
    model, parts, emb_CD = fusion(), ragged(), torch.randn(7, 10)
    order = torch.randperm(7)
    z_BCD = model(parts, Queries(emb_CD)).z_BCD
    permuted_BCD = model(parts, Queries(emb_CD[order])).z_BCD
    torch.testing.assert_close(permuted_BCD, z_BCD[:, order], atol=1e-5, rtol=1e-4)


def test_a_modality_s_own_label_vectors_are_read_for_it_alone():
    context = dataclasses.replace(tiny.context(), query_widths={"audio": 4})
    torch.manual_seed(0)
    widths = dict.fromkeys(MODALITIES, 6)
    model = LabelAttentive(LabelAttentive.Config(width=8), context, widths, 10).eval()
    shared, own_CD = Queries(torch.randn(7, 10)), torch.randn(7, 4)
    parts = ragged()
    z_BCD = model(parts, shared._replace(by_modality={"audio": own_CD})).z_BCD
    moved_BCD = model(parts, shared._replace(by_modality={"audio": own_CD.flip(0)})).z_BCD
    changed_B = (z_BCD - moved_BCD).abs().amax((1, 2)) > 1e-5
    # Rows 2 and 3 lack audio.
    assert changed_B.tolist() == [True, True, False, False, True]


VIDEO = {"name": "label-random", "settings": {"dim": 5}}


def test_labels_are_read_by_another_encoder_for_each_modality(catalog):
    settings = {
        "label_encoder": "label-towers",
        "label_encoder.audio": None,
        "label_encoder.video": VIDEO,
    }
    plan = resolve(Request("lgca", settings=settings), catalog, tiny.corpus("class"), None)
    fold = Fold(plan.streams, plan.task, plan.protocol.splits[0], plan.lexicon)
    model = build(plan, fold, 0, torch.device("cpu")).model
    queries = model.label_encoder()
    assert queries.of("video").shape == (6, 5)
    assert queries.of("audio") is queries.emb_CD
    assert [model.fusion.label[m].in_features for m in MODALITIES] == [12, 12, 5]
    torch.testing.assert_close(model.label_encoder(tiny.CLASSES).of("video"), queries.of("video"))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"fusion": "kggr"}, "fusion kggr reads the same for all"),
        ({"label_encoder.video": {"settings": {"dimm": 5}}}, "label-vectors: dimm"),
    ],
)
def test_what_reads_one_label_encoder_is_refused_several(catalog, settings, sentence):
    settings = {"label_encoder": "label-towers", "head": "mlp", **settings}
    with pytest.raises(RequestError, match=sentence):
        resolve(Request("lgca", settings=settings), catalog, tiny.corpus("class"), None)


@pytest.mark.parametrize("name", _READERS)
def test_every_reader_is_the_factory_of_its_name(catalog, name):
    assert _factory(Reader(name=name)) is catalog.load(catalog.component("label-encoder", name))
