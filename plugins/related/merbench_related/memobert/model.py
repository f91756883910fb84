"""``memobert``: emotion as the word behind a mask (MEmoBERT, Zhao et al. 2022, 2111.00865)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import AfterValidator, Field
from torch import Tensor, nn

from merbench.api import (
    Batch,
    Config,
    Context,
    Encoder,
    LanguageModel,
    Modality,
    Output,
    RequestError,
    Steps,
    TextForm,
    Tune,
    compact,
    label_texts,
    label_word_vectors,
    masked_mean,
    require_heads,
)
from merbench_related.fields import Dropout, Heads, Width
from merbench_related.layers import concatenate
from merbench_related.memobert.small_language_model import VectorLanguage
from merbench_related.resampled_steps import shorten


def _with_place(template: str) -> str:
    if template.count("{}") != 1:
        raise ValueError("write {} once, where the label word is to stand: 'i am {} .'")
    return template


class MEmoBERT(nn.Module):
    """One sequence of the transcript, the prompt with a mask for the label word, audio and video
    steps (projected, with a modality vector each) -> logits [B, C]: the masked-language-model
    score of each label's words at the mask.

    Classes: their softmax. A score: the softmax over its anchors. Labels: a sigmoid each, with a
    learned offset, since scores of words have no zero of their own. ``predict="linear"``: a linear
    layer on the mean state, without a prompt.
    """

    class Config(Config):
        template: Annotated[str, AfterValidator(_with_place)] = "i am {} ."
        """The prompt behind the text, with the mask in place of {}."""
        text: TextForm = "word"
        """What stands for a label: its word, or the words of its gloss, with averaged scores."""
        predict: Annotated[Literal["words", "linear"], Tune(choices=("words", "linear"))] = "words"
        """``words``: the scores of the labels' words at the mask; ``linear``: a linear layer on the
        mean state, without a prompt.
        """
        longest: Annotated[int, Field(ge=1)] = 60
        """Steps of audio and of video; of a longer row the means of so many bins."""
        width: Width = 64
        """This and the next three: of the language model over word vectors. A pretrained one
        brings its own.
        """
        layers: Annotated[int, Field(ge=1), Tune(1, 4)] = 2
        heads: Heads = 4
        dropout: Dropout = 0.1
        words: Annotated[int, Field(ge=1)] = 200
        """Words of a text that the model over word vectors reads at most."""

    def __init__(
        self, config: Config, context: Context, encoders: Mapping[Modality, Encoder]
    ) -> None:
        super().__init__()
        require_heads("model", config.width, config.heads)
        self.config, self.space = config, context.space
        self.encoders = nn.ModuleDict(encoders)
        self.widths = {m: encoder.width for m, encoder in encoders.items()}
        non_text = [m for m in encoders if m != "text"]
        # A prompt has fewer pieces than its template has characters.
        joined = len(config.template) + 1 + len(non_text) * config.longest
        self.language = self._language(context, config.words + joined)
        self.labels = self._label_pieces(context)
        self.project = nn.ModuleDict(
            {m: nn.Linear(self.widths[m], self.language.width) for m in non_text}
        )
        self.modality = nn.ParameterDict(
            {m: nn.Parameter(0.02 * torch.randn(self.language.width)) for m in non_text}
        )
        self._build_read_out()

    def _language(self, context: Context, places: int) -> LanguageModel:
        """The text encoder's own, where it predicts masked words, else one over word vectors.
        RequestError where there is neither.
        """
        config, lexicon = self.config, context.lexicon
        if context.language_model is not None and context.language_model.mask is not None:
            return context.language_model
        stream = context.streams["text"]
        if stream.kind == "features":
            raise RequestError(
                f"memobert predicts a word behind the words of a text, and {stream.name} is "
                "features; choose a stream of words (--stream text=NAME) or another model"
            )
        if lexicon is None or self.widths["text"] != lexicon.width:
            raise RequestError(
                "memobert reads text by a masked language model or by word vectors; "
                "give --encoder text=hf-masked or text=word-vectors"
            )
        return VectorLanguage(
            lexicon, config.width, config.layers, config.heads, config.dropout, places
        )

    def _label_pieces(self, context: Context) -> list[list[int]]:
        """Of each label's text. RequestError where two labels cannot be distinguished by them."""
        texts = label_texts(self.space, self.config.text)
        if isinstance(self.language, VectorLanguage):
            label_word_vectors("memobert", self.space, self.language.lexicon, texts, slot="model")
        pieces = [self.language.pieces(text) for text in texts]
        for ids, text in zip(pieces, texts, strict=True):
            if not ids or pieces.count(ids) > 1:
                raise RequestError(
                    f"the language model's pieces cannot tell the label {text!r} from another; "
                    "choose a model that knows the label words"
                )
        return pieces

    def _build_read_out(self) -> None:
        self.linear, self.offset_C = None, None
        if self.config.predict == "linear":
            self.linear = nn.Linear(self.language.width, self.space.logit_count)
        elif self.space.kind in ("multilabel", "joint"):
            self.offset_C = nn.Parameter(torch.zeros(len(self.space.words)))

    def forward(self, batch: Batch) -> Output:
        steps = {m: self.encoders[m](batch.inputs[m]) for m in self.encoders}
        text = self._text(steps["text"])
        if self.linear is not None:
            x_BLD, mask_BL = self._side_by_side([text], steps)
            state_BD = masked_mean(self.language.run(x_BLD, mask_BL), mask_BL)
            return Output(self.linear(state_BD), steps)
        pieces_before, pieces_after = (
            self.language.pieces(t) for t in self.config.template.split("{}")
        )
        prompt_PD = self.language.embed(
            torch.tensor([*pieces_before, self.language.mask, *pieces_after])
        )
        sequence = self._side_by_side([text, _for_each(prompt_PD, len(batch))], steps)
        at_B = text.mask_BL.sum(1) + len(pieces_before)
        rows_B = torch.arange(len(at_B), device=at_B.device)
        logits_BC = self.language.scores(self.language.run(*sequence)[rows_B, at_B], self.labels)
        return Output(logits_BC if self.offset_C is None else logits_BC + self.offset_C, steps)

    def _side_by_side(self, sequence: list[Steps], steps: Mapping[Modality, Steps]) -> Steps:
        """What is given, then audio and video, without gaps: places count real steps.

        RequestError where the language model has too few of them.
        """
        for m in self.project:
            x_BLD, mask_BL = shorten(steps[m], self.config.longest)
            sequence = [
                *sequence,
                Steps(self.project[m](x_BLD) + self.modality[m], mask_BL),
            ]
        x_BLD, mask_BL = compact(concatenate(sequence))
        n_steps = max(1, int(mask_BL.sum(1).max()))
        if n_steps > self.language.places:
            raise RequestError(
                f"text, prompt, audio and video make {n_steps} steps, "
                f"and the language model takes {self.language.places}; "
                "lower model.longest or encoder.text.longest"
            )
        return Steps(x_BLD[:, :n_steps], mask_BL[:, :n_steps])

    def _text(self, steps: Steps) -> Steps:
        x_BLD, mask_BL = compact(steps)
        if isinstance(self.language, VectorLanguage):
            x_BLD, mask_BL = x_BLD[:, : self.config.words], mask_BL[:, : self.config.words]
            return Steps(self.language.enter(x_BLD), mask_BL)
        return Steps(x_BLD, mask_BL)


def _for_each(x_PD: Tensor, size: int) -> Steps:
    """The same steps for each row."""
    return Steps(
        x_PD.expand(size, -1, -1),
        torch.ones(size, len(x_PD), dtype=torch.bool, device=x_PD.device),
    )
