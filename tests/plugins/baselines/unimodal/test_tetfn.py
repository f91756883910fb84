"""TETFN on each row alone: audio and video attend to each other as the text enhances them."""

import pytest
import torch
import torch.nn.functional as F

from merbench.api import RequestError
from merbench_baselines.unimodal.tetfn import TETFN
from tests.plugins.baselines.made_parts import WIDTHS, close, make, real, sequences

SMALL = {"width": 4, "heads": 2, "layers": 1, "fused": 3, "lstm_audio": 2, "lstm_video": 3}
SMALL |= {"kernel_text": 1, "kernel_audio": 3, "kernel_video": 1}


def convolved(conv, x_LW):
    padded = F.pad(x_LW, (0, 0, conv.kernel_size[0] // 2, conv.kernel_size[0] // 2))
    return torch.stack(
        [
            sum(conv.weight[:, :, k] @ padded[i + k] for k in range(conv.kernel_size[0]))
            for i in range(len(x_LW))
        ]
    )


def transformed(net, x_TD, source_SD=None):
    """One row without padding through a transformer of one layer."""
    z_TD, source = net.embed(x_TD[None]), None if source_SD is None else net.embed(source_SD[None])
    for block in net.blocks:
        n = block.norm(z_TD)
        s = n if source is None else block.norm(source)
        z_TD = z_TD + block.attend(n, s, torch.ones(1, s.shape[1], dtype=torch.bool))
        z_TD = z_TD + block.f(block.norm_f(z_TD))
    return net.norm(z_TD)[0]


@pytest.mark.parametrize("enhanced", [True, False])
def test_tetfn_is_its_equations_on_each_row_alone(enhanced):
    fusion = make(TETFN, **SMALL, enhanced=enhanced)
    parts = sequences(missing=[("audio", 2)])
    out = fusion(parts)
    for row in (0, 1):
        x = {}
        for m in WIDTHS:
            x_LW = real(parts[m], row)
            states = x_LW if m == "text" else fusion.lstm[m](x_LW[None])[0][0]
            x[m] = convolved(fusion.convolve[m], states)
        close(out.aux["utterances"][row], torch.cat([x[m].amax(0) for m in WIDTHS]))
        last = []
        for target in WIDTHS:
            towards = []
            for source in (m for m in WIDTHS if m != target):
                attended, name = x[source], f"{source}_to_{target}"
                if enhanced and "text" not in (source, target):
                    attended = transformed(fusion.enhance[name], x[source], x["text"])
                towards.append(transformed(fusion.cross[name], x[target], attended))
            last.append(transformed(fusion.memory[target], torch.cat(towards, 1))[-1])
        layer = fusion.fuse[1]
        close(out.z_BCD[row, 0], (layer.weight @ torch.cat(last) + layer.bias).relu())
    assert len(fusion.enhance) == (2 if enhanced else 0)


def test_a_missing_modality_has_no_utterance_and_adds_nothing():
    fusion = make(TETFN, **SMALL)
    out = fusion(sequences(missing=[("audio", 2), ("text", 3)]))
    assert out.aux["present"].tolist()[2:4] == [[True, False, True], [False, True, True]]
    assert (out.aux["utterances"][2, 4:8] == 0).all() and torch.isfinite(out.z_BCD).all()


def test_a_width_that_heads_cannot_share_is_refused():
    with pytest.raises(RequestError, match=r"fusion\.width=6 is no multiple of fusion\.heads=5"):
        make(TETFN, width=6, heads=5)
