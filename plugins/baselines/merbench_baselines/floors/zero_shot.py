"""Floor ``zero-shot``: what the label words know by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from merbench.api import (
    Batch,
    Config,
    Context,
    Encoder,
    LabelSpace,
    Lexicon,
    Modality,
    Output,
    RequestError,
    SplitView,
    TextForm,
    Tune,
    label_texts,
    label_word_vectors,
    masked_mean,
    task_loss,
)
from merbench_baselines.floors.floor import Floor, whole

TEMPERATURES = torch.logspace(-2.5, 0.5, 31)


class ZeroShot(Floor):
    """Cosine of the transcript's mean word vector to each label text's, over a temperature; the
    temperature alone is chosen, on valid.

    score: a logit an anchor, read out as the softmax-weighted sum of anchors. class: softmax.
    multilabel: the logit of the same softmax, as if one label were there. A transcript without a
    known word is as near to every label.
    """

    class Config(Config):
        text: Annotated[TextForm, Tune(choices=("word", "gloss", "word+gloss"))] = "word"
        """What is read of a label: its word, its gloss, both, or the word in a template."""

    learned = ("temperature",)

    def __init__(
        self, config: Config, context: Context, encoders: Mapping[Modality, Encoder]
    ) -> None:
        super().__init__(config, context, encoders)
        emb_CD = _label_vectors(config, context.space, context.lexicon)
        if (width := encoders["text"].width) != emb_CD.shape[1]:
            raise RequestError(
                f"zero-shot compares word vectors of width {emb_CD.shape[1]} with a text encoder's "
                f"of width {width}; leave encoder.text=word-vectors"
            )
        self.register_buffer(
            "label_CD", F.normalize(torch.from_numpy(emb_CD), dim=1), persistent=False
        )

    @staticmethod
    def check(config: Config, space: LabelSpace, lexicon: Lexicon | None) -> None:
        _label_vectors(config, space, lexicon)

    def cosine(self, batch: Batch) -> Tensor:
        """[B, C]."""
        return (
            F.normalize(masked_mean(*self.encoders["text"](batch.inputs["text"])), dim=1)
            @ self.label_CD.T
        )

    def logits(self, cosine_BC: Tensor, temperature: Tensor) -> Tensor:
        logits_by_task = zip(
            self.space.tasks, self.space.split_logits(cosine_BC / temperature), strict=True
        )
        logits = [
            z_NC.softmax(1).logit(eps=1e-6) if task.kind == "multilabel" else z_NC
            for task, z_NC in logits_by_task
        ]
        return torch.cat(logits, 1)

    @torch.no_grad()
    def fit(self, train: SplitView, valid: SplitView) -> None:
        """Train is not used."""
        cosine_NC = torch.cat([self.cosine(batch) for batch in valid.batches()])
        rows = whole(valid)

        def loss(temperature: Tensor) -> float:
            terms = task_loss(
                self.logits(cosine_NC, temperature),
                rows.target.to(cosine_NC.device),
                rows.known,
                self.space,
                soft_weight=0,
            )
            return float(sum(terms.values()))

        self.keep(temperature=min(TEMPERATURES, key=loss))

    def forward(self, batch: Batch) -> Output:
        return Output(self.logits(self.cosine(batch), self.temperature))


def _label_vectors(
    config: ZeroShot.Config, space: LabelSpace, lexicon: Lexicon | None
) -> np.ndarray:
    """[C, D]"""
    texts = label_texts(space, config.text)
    return label_word_vectors("zero-shot", space, lexicon, texts, slot="model")
