"""Every floor: its state, padding, missing rows and order; and the majority."""

import pytest
import torch

from merbench.api import Steps
from merbench.engine.training.evaluate import weights_digest
from merbench.testing import tiny
from merbench.testing.recipes.trained import resolved, trained
from tests.plugins.baselines.floors.made_splits import View, floors, predict

NAMES = ("majority", "ridge", "svr", "tfidf-ridge", "zero-shot")


@pytest.mark.parametrize("kind", tiny.SPACES)
@pytest.mark.parametrize("name", NAMES)
def test_state_round_trips_into_an_unfitted_floor(name, kind):
    make, train, valid = floors(kind)[name]
    fitted, fresh = make(), make()
    fitted.fit(train, valid)
    fresh.load_state_dict(fitted.state_dict())
    want = predict(fitted, valid)
    assert want.isfinite().all() and want.dtype == torch.float32
    assert want.shape == {"score": (20,), "joint": (20, 7)}.get(kind, (20, 6))
    assert torch.equal(predict(fresh, valid), want)
    assert not list(fitted.parameters())


@pytest.mark.parametrize("kind", tiny.SPACES)
@pytest.mark.parametrize("name", NAMES)
def test_padding_missing_rows_and_order(name, kind):
    make, train, valid = floors(kind)[name]
    model = make()
    model.fit(train, valid)
    base = predict(model, valid)

    def again(change):
        return predict(model, View({m: change(s) for m, s in valid.inputs.items()}, valid.target))

    other = 7 if name in ("tfidf-ridge", "zero-shot") else float("nan")
    garbage = again(lambda s: Steps(torch.where(s.mask_BL[..., None], s.x_BLD, other), s.mask_BL))
    longer = again(lambda s: Steps(*(torch.cat((t, torch.zeros_like(t[:, :3])), 1) for t in s)))
    assert torch.allclose(garbage, base, atol=1e-5) and torch.allclose(longer, base, atol=1e-5)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(
        again(lambda s: Steps(s.x_BLD[order], s.mask_BL[order])), base[order], atol=1e-5
    )
    assert again(lambda s: Steps(s.x_BLD, torch.zeros_like(s.mask_BL))).isfinite().all()


def test_majority_of_a_score_is_the_train_median():
    make, _, valid = floors("score")["majority"]
    target = torch.tensor([-1.0, 0.2, 3.0, 0.4])
    model = make()
    model.fit(View({}, target), valid)
    assert torch.allclose(predict(model, valid), torch.full((20,), 0.3))


def test_majority_of_labels_is_their_share():
    make, train, valid = floors("class")["majority"]
    model = make()
    model.fit(train, valid)
    share_C = torch.bincount(train.target, minlength=6) / 40
    assert torch.allclose(predict(model, valid), share_C.expand(20, -1), atol=1e-5)

    make, train, valid = floors("multilabel")["majority"]
    train.known = torch.rand(40, 6, generator=torch.Generator().manual_seed(3)) < 0.7
    train.target[:, 0] = 0
    model = make()
    model.fit(train, valid)
    share_C = torch.stack([train.target[train.known[:, c], c].mean() for c in range(6)])
    assert torch.allclose(predict(model, valid)[0, 1:], share_C[1:], atol=1e-5)
    assert torch.allclose(predict(model, valid)[0, 0], torch.tensor(0.5 / 40), atol=1e-6)


def test_a_closed_form_is_fitted_on_whole_rows(catalog):
    """A layer that drops words does so in training mode alone."""
    digests = set()
    for share in (0.0, 0.9):
        dropping = {"encoder.text.word_dropout": share}
        plan = resolved(catalog, catalog.recipe("ridge"), **dropping)
        digests.add(weights_digest(trained(plan)[0].model))
    assert len(digests) == 1
