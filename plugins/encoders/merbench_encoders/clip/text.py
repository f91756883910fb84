"""``clip-text``: CLIP's text tower on the transcript, its token states kept as a sequence."""

from __future__ import annotations

import torch

from merbench.api import Context, Steps, StreamSpec, TextRows, Tokens
from merbench_encoders.clip.config import ClipTextConfig
from merbench_encoders.clip.towers import joint_width, load_text
from merbench_encoders.clip.weights import clip_digest, clip_source
from merbench_encoders.tower import Tower
from merbench_encoders.word_pieces import PieceRows

_INSTEAD = (
    "use word vectors (--encoder text=word-vectors) or an untrained tower (--set "
    "encoder.text.pretrained=random)"
)


class ClipText(Tower):
    """Strings -> Steps [B, L, D], D = CLIP's joint width, L <= 77: the states of all tokens up to
    and with the end of text.

    ``measured``: ``truncated_rate``, the share of the split's texts that are longer than the
    tower's context.
    """

    class Config(ClipTextConfig):
        pass

    packages = ("open_clip_torch",)
    steps_at_once = 2048

    def __init__(self, config: Config, context: Context, stream: StreamSpec) -> None:
        net, tokenizer = load_text(config, _INSTEAD)
        super().__init__(net, config)
        self.tokenizer, self.width = tokenizer, joint_width(config, _INSTEAD)
        self.settle_adapters(self.tokenizer(["a text"])[torch.tensor([0])])

    @staticmethod
    def pretrained(config: Config) -> dict[str, str]:
        """Name -> SHA-256 of the weights it starts from."""
        return clip_digest(config, _INSTEAD)

    @staticmethod
    def sources(config: Config) -> dict[str, str]:
        """Name -> where those weights come from, with the revision where there is one."""
        return clip_source(config, _INSTEAD)

    def prepare(self, rows: TextRows) -> PieceRows:
        """Tokenise the split's texts."""
        tokens = self.tokenizer(rows[torch.arange(len(rows))])
        self.measured = tokens.measured
        return tokens

    def forward(self, inputs: Tokens) -> Steps:
        with self.cast(inputs.ids_BL.device):
            x_BLD = self.net(self.net.token_embedding(inputs.ids_BL))
        return Steps(x_BLD.float(), inputs.mask_BL)
