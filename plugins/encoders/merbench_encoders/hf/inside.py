"""``hf-inside``: a transformers text encoder for methods that work inside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.api import LATER, Context, RequestError, Steps, StreamSpec, TextRows, Tokens
from merbench_encoders.adapters import drop_idle_adapters
from merbench_encoders.hf.models import (
    HfConfig,
    ModelName,
    hf_digest,
    hf_source,
    input_embeddings,
    load_net,
)
from merbench_encoders.letter_case import LetterCase
from merbench_encoders.padding import masks_padding
from merbench_encoders.tower import Tower
from merbench_encoders.word_pieces import PieceRows, PieceTokenizer

INSTEAD = (
    "use word vectors (--encoder text=word-vectors) or another model "
    "(--set encoder.text.model=FOLDER)"
)


class HfInside(Tower):
    """Strings -> Steps [B, L, D]: the embedding of every piece, the model's own start and end
    included, before any layer; ``language_model`` goes on from there.

    Raises RequestError where the model's layers cannot be told from each other.
    """

    kind = "AutoModel"

    class Config(HfConfig):
        model: ModelName = "bert-base-uncased"
        lower: LetterCase = "auto"
        """Read in lower case; ``auto``: a text that has no lower-case letter."""
        apostrophes: Annotated[bool, LATER] = False
        """``dont`` is read as ``don't``: contractions that lost their apostrophe get it back."""
        longest: Annotated[int, Field(ge=3)] = 128
        """Pieces that a text keeps at most; the model's other places are for what joins them."""

    def __init__(self, config: Config, context: Context, stream: StreamSpec) -> None:
        net, folder = load_net(config, INSTEAD, self.kind)
        if getattr(net, "pooler", None) is not None:
            net.pooler = None  # states are never pooled
        super().__init__(net, config)
        self.places = PieceTokenizer(folder, net, None, config.lower, INSTEAD).longest
        self.pieces = PieceTokenizer(
            folder, net, config.longest, config.lower, INSTEAD, config.apostrophes
        )
        self.width = input_embeddings(net, INSTEAD).embedding_dim
        _layers(self)
        self._check_head()
        self._check_padding(config)
        drop_idle_adapters(net, self._example)

    def _check_head(self) -> None:
        """RequestError where what reads the last states is not there."""

    def _check_padding(self, config: Config) -> None:
        """RequestError where padding reaches real steps: parts put streams behind a text."""
        embed, (ids_L, pad) = self.net.get_input_embeddings(), self.pieces.example()

        def states(x_BLD: Tensor, mask_BL: Tensor | None) -> Tensor:
            real_BL = x_BLD.new_ones(x_BLD.shape[:2], dtype=torch.bool)
            return self.language_model.run(x_BLD, real_BL if mask_BL is None else mask_BL)

        precision, self.precision = self.precision, "fp32"  # its noise is not taken for padding
        masked = masks_padding(self.net, states, embed(ids_L), embed(pad))
        self.precision = precision
        if not masked:
            raise RequestError(
                f"in {config.model} padding changes the states of a text, whatever its attention "
                f"mask says, so that a row would depend on its batch; {INSTEAD}"
            )

    def _example(self) -> Tensor:
        """What comes of one text, through all that can have an adapter."""
        return self.language_model.run(*self(self.pieces(["a text"])[torch.tensor([0])]))

    @property
    def language_model(self) -> TowerLanguage:
        """Of the same weights."""
        return TowerLanguage(self)

    @staticmethod
    def pretrained(config: Config) -> dict[str, str]:
        """Name -> SHA-256 of the weights it starts from."""
        return hf_digest(config, INSTEAD)

    @staticmethod
    def sources(config: Config) -> dict[str, str]:
        """Name -> where those weights come from, with the revision where there is one."""
        return hf_source(config, INSTEAD)

    def prepare(self, rows: TextRows) -> PieceRows:
        """Tokenise the split's texts."""
        pieces = self.pieces(rows[torch.arange(len(rows))])
        self.measured = pieces.measured
        return pieces

    def forward(self, inputs: Tokens) -> Steps:
        return Steps(self.net.get_input_embeddings()(inputs.ids_BL), inputs.mask_BL)


class TowerLanguage:
    """The ``merbench.api.LanguageModel`` of an encoder's network."""

    def __init__(self, encoder: HfInside) -> None:
        self._encoder = encoder
        self.width, self.places = encoder.width, encoder.places
        self.depth = len(_layers(encoder))
        has_head = encoder.net.get_output_embeddings() is not None
        self.mask: int | None = encoder.pieces.tokenizer.mask_token_id if has_head else None

    def pieces(self, text: str) -> list[int]:
        tokenizer = self._encoder.pieces.tokenizer
        ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def embed(self, pieces: Tensor) -> Tensor:
        table = self._encoder.net.get_input_embeddings()
        return table(pieces.to(table.weight.device))

    def run(
        self,
        x_BLD: Tensor,
        mask_BL: Tensor,
        enter: Mapping[int, Callable[[Tensor], Tensor]] | None = None,
    ) -> Tensor:
        changes = dict(enter or {})
        after_last = changes.pop(self.depth, None)
        # Some attention kernels make NaN of a row that attends to nothing.
        attended_BL = mask_BL | ~mask_BL.any(1, keepdim=True)
        with ExitStack() as hooks, self._encoder.cast(x_BLD.device):
            for number, change in changes.items():
                hooks.enter_context(_changed_before(_layers(self._encoder)[number], change))
            states_BLD = _body(self._encoder.net)(
                inputs_embeds=x_BLD, attention_mask=attended_BL.long()
            ).last_hidden_state
        states_BLD = states_BLD.float()
        return states_BLD if after_last is None else after_last(states_BLD)

    def scores(self, state_BD: Tensor, texts: Sequence[Sequence[int]]) -> Tensor:
        if self.mask is None:
            raise RequestError(f"the model is no masked language model; choose one, or {INSTEAD}")
        with self._encoder.cast(state_BD.device), _states_given(self._encoder.net, state_BD):
            scores_BV = self._encoder.net(inputs_embeds=state_BD[:, None]).logits[:, 0].float()
        return torch.stack([scores_BV[:, list(pieces)].mean(1) for pieces in texts], 1)


def _body(net: Any) -> nn.Module:
    """The network without a head: itself, where it has none."""
    body: nn.Module = net.base_model
    return body


def _layers(encoder: HfInside) -> nn.ModuleList:
    """The network's layers, in their order. RequestError where they are not one module each."""
    net: Any = encoder.net
    for module in _body(net).modules():
        if isinstance(module, nn.ModuleList) and len(module) == net.config.num_hidden_layers:
            return module
    raise RequestError(
        f"{type(net).__name__} does not have its {net.config.num_hidden_layers} layers one after "
        f"the other, so that nothing can enter between them; {INSTEAD}"
    )


@contextmanager
def _changed_before(layer: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """In it, what goes into ``layer`` is changed first."""

    def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        if args:
            return (change(args[0].float()).to(args[0].dtype), *args[1:]), kwargs
        states = kwargs["hidden_states"]
        return args, {**kwargs, "hidden_states": change(states.float()).to(states.dtype)}

    hook = layer.register_forward_pre_hook(before, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def _states_given(net: nn.Module, state_BD: Tensor) -> Iterator[None]:
    """In it, the body of ``net`` returns these states, one step a row, in place of its own: heads
    of masked language models have no name in common by which they could be called.
    """
    from transformers.modeling_outputs import BaseModelOutput

    body = _body(net)
    body.forward = lambda *_, **__: BaseModelOutput(last_hidden_state=state_BD[:, None])
    try:
        yield
    finally:
        del body.forward
