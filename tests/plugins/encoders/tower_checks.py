"""What every pretrained tower must do: any selection of rows gives each the same states; gradients
where it is tuned, none where it is frozen.
"""

import numpy as np
import pytest
import torch

from merbench.api import StreamSpec, TextRows
from merbench.testing import tiny

CONTEXT = tiny.context()


TEXT = StreamSpec("text.transcript", "text", "strings")


TEXTS = (
    "the film was good",
    "bad",
    "",
    "a very long story about a boring film that nobody has ever liked, not even its maker",
)


def text_rows(texts=TEXTS):
    return TextRows(TEXT, np.array(texts), torch.tensor([int(bool(t)) for t in texts]))


def close(actual, want):
    np.testing.assert_allclose(actual.detach().numpy(), want.detach().numpy(), atol=2e-5, rtol=1e-4)


def make(kind, stream, **settings):
    torch.manual_seed(0)
    return kind(kind.Config(**settings), CONTEXT, stream)


def check_texts(encoder):
    """Any selection and order of rows gives each text the same states; a missing text gives none,
    and nothing is NaN.
    """
    prepared = encoder.prepare(text_rows())
    together = encoder(prepared[torch.arange(4)])
    assert (
        torch.isfinite(together.x_BLD).all()
        and not together.mask_BL[2].any()
        and together.x_BLD.shape[2] == encoder.width
    )
    for rows in ([1], [2], [1, 2], [3, 0, 1]):
        some = encoder(prepared[torch.tensor(rows)])
        assert torch.isfinite(some.x_BLD).all()
        for i, row in enumerate(rows):
            close(some.x_BLD[i][some.mask_BL[i]], together.x_BLD[row][together.mask_BL[row]])
    return together


def check_tuning(make, inputs, loss=lambda steps: (steps.x_BLD[steps.mask_BL] ** 2).sum()):
    """Gradients where it is tuned; none, and evaluation mode permanently, where it is frozen."""
    frozen = make(tuned=False).train()
    assert (
        frozen.frozen
        and not frozen.net.training
        and not any(p.requires_grad for p in frozen.parameters())
    )
    assert not frozen(inputs).x_BLD.requires_grad
    tuned = make(tuned=True).train()
    assert not tuned.frozen and tuned.net.training
    loss(tuned(inputs)).backward()
    dead = [
        name for name, p in tuned.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
    ]
    assert not dead, dead
    twin = make(tuned=True)
    with torch.no_grad():
        for p in twin.parameters():
            p += 1
    twin.load_state_dict(tuned.state_dict())
    close(twin.eval()(inputs).x_BLD, tuned.eval()(inputs).x_BLD)


def clip_rows(stream, *paths):
    return TextRows(
        stream, np.array([str(p) for p in paths]), torch.tensor([int(bool(p)) for p in paths])
    )


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("a pickle was run",)
