"""``hf-masked``: a masked language model of transformers, for methods that work inside it."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.api import Context, RequestError, Steps, StreamSpec, TextRows, Tokens
from merbench_encoders.adapters import drop_idle_adapters
from merbench_encoders.hf import HfConfig, ModelName, hf_digest, hf_source, load_net
from merbench_encoders.letter_case import LetterCase
from merbench_encoders.pieces import PieceRows, PieceTokenizer
from merbench_encoders.tower import Tower

_INSTEAD = (
    "use word vectors (--encoder text=word-vectors) or another model "
    "(--set encoder.text.model=FOLDER)"
)


class HfMasked(Tower):
    """Strings -> Steps [B, L, D]: the embedding of every piece, the model's own start and end
    included, before any layer.

    A method lays what it likes beside them (audio, a prompt) and asks ``hidden`` for the last
    layer's states, or ``fill`` for the scores of pieces at one place. Raises RequestError where the
    model is no masked language model.
    """

    class Config(HfConfig):
        model: ModelName = "bert-base-uncased"
        lower: LetterCase = "auto"
        """Read in lower case; ``auto``: a text that has no lower-case letter."""
        longest: Annotated[int, Field(ge=3)] = 128
        """Pieces that a text keeps at most; the model's other places are for what joins them."""

    def __init__(self, config: Config, context: Context, stream: StreamSpec) -> None:
        net, folder = load_net(config, _INSTEAD, "AutoModelForMaskedLM")
        super().__init__(net, config)
        whole = PieceTokenizer(folder, net, None, config.lower, _INSTEAD)
        self.places = whole.longest
        self.pieces = PieceTokenizer(folder, net, config.longest, config.lower, _INSTEAD)
        self.mask_id = self.pieces.tokenizer.mask_token_id
        if self.mask_id is None or net.get_output_embeddings() is None:
            raise RequestError(
                f"{config.model} is no masked language model; choose one that is, or {_INSTEAD}"
            )
        self.width = int(net.get_input_embeddings().embedding_dim)
        drop_idle_adapters(net, self._example_scores)

    @staticmethod
    def pretrained(config: Config) -> dict[str, str]:
        """Name -> SHA-256 of the weights it starts from."""
        return hf_digest(config, _INSTEAD)

    @staticmethod
    def sources(config: Config) -> dict[str, str]:
        """Name -> where those weights come from, with the revision where there is one."""
        return hf_source(config, _INSTEAD)

    def prepare(self, rows: TextRows) -> PieceRows:
        """Tokenise the split's texts."""
        pieces = self.pieces(rows[torch.arange(len(rows))])
        self.measured = pieces.measured
        return pieces

    def forward(self, inputs: Tokens) -> Steps:
        return Steps(self.embed(inputs.ids_BL), inputs.mask_BL)

    def _example_scores(self) -> Tensor:
        """[1, V]: a call through the whole model."""
        tokens = self.pieces(["a text"])[torch.tensor([0])]
        return self.fill(self.embed(tokens.ids_BL), tokens.mask_BL, torch.tensor([0]))

    def ids_of(self, text: str) -> list[int]:
        """The pieces of a text, without start and end."""
        ids: list[int] = self.pieces.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def embed(self, ids: Tensor) -> Tensor:
        """[..., D] of piece numbers [...]."""
        return self.net.get_input_embeddings()(ids)  # type: ignore[operator]

    def hidden(self, x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
        """[B, L, D]: states of the last layer."""
        with self.cast(x_BLD.device):
            states = self.net(
                inputs_embeds=x_BLD, attention_mask=mask_BL.long(), output_hidden_states=True
            ).hidden_states[-1]
        return states.float()

    def fill(self, x_BLD: Tensor, mask_BL: Tensor, at_B: Tensor) -> Tensor:
        """[B, V]: the score of every piece at one place of each row."""

        def only_there(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            rows_B = torch.arange(len(at_B), device=at_B.device)
            return (inputs[0][rows_B, at_B][:, None],)

        # Before the last layer, which for every place would make a score for each of 30,000 pieces.
        last: nn.Module = self.net.get_output_embeddings()  # type: ignore[operator]
        hook = last.register_forward_pre_hook(only_there)
        try:
            with self.cast(x_BLD.device):
                scores_B1V = self.net(inputs_embeds=x_BLD, attention_mask=mask_BL.long()).logits
        finally:
            hook.remove()
        return scores_B1V[:, 0].float()
