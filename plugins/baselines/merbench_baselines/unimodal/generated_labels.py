"""Objective ``unimodal-labels``: a task a modality, whose labels are generated in training
(Self-MM's ULGM, Yu et al. 2021, 2102.04830, section 3.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.api import (
    MODALITIES,
    Batch,
    Config,
    Context,
    Modality,
    Model,
    Output,
    Progress,
    RequestError,
    Tune,
    known_rows,
)
from merbench_baselines.fields import AudioWidth, TextWidth, VideoWidth

EPSILON = 1e-8


class UnimodalTask(nn.Module):
    """F*_m = ReLU(W_1 dropout(F_m) + b_1); its score is W_3 ReLU(W_2 F*_m + b_2) + b_3."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, hidden), nn.ReLU())
        self.score = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1))


class Centres(nn.Module):
    """Features of every train row as they were last seen, and what is relative to them.

    A row that was not seen yet, or lacks the modality, does not count.
    """

    def __init__(self, rows: int, width: int) -> None:
        super().__init__()
        self.register_buffer("features_ND", torch.zeros(rows, width))
        self.register_buffer("seen_N", torch.zeros(rows, dtype=torch.bool))

    def keep(self, ids_B: Tensor, features_BD: Tensor, present_B: Tensor) -> None:
        self.features_ND[ids_B] = features_BD.float()
        self.seen_N[ids_B] = present_B

    def relative_distance(
        self, features_BD: Tensor, label_N: Tensor, squared: bool
    ) -> Tensor | None:
        """alpha [B] = (D^n - D^p) / D^p, the distances to the mean features of the rows of negative
        and of positive label (eq. 4 to 6). None where there are no rows of one of them.
        """
        positive_N, negative_N = self.seen_N & (label_N > 0), self.seen_N & (label_N < 0)
        if not (positive_N.any() and negative_N.any()):
            return None
        to_positive_B, to_negative_B = (
            torch.linalg.vector_norm(features_BD - self.features_ND[rows_N].mean(0), dim=1)
            for rows_N in (positive_N, negative_N)
        )
        if squared:
            root = features_BD.shape[1] ** 0.5
            to_positive_B = to_positive_B.square() / root
            to_negative_B = to_negative_B.square() / root
        return (to_negative_B - to_positive_B) / (to_positive_B + EPSILON)


def generated_label(y_B: Tensor, alpha_B: Tensor, alpha_fused_B: Tensor) -> Tensor:
    """y_s = (y_m alpha_s / alpha_m + y_m + alpha_s - alpha_m) / 2 (eq. 8)."""
    small_B = alpha_fused_B.abs() < EPSILON
    divisor_B = torch.where(small_B, EPSILON, alpha_fused_B)
    return (y_B * alpha_B / divisor_B + y_B + alpha_B - alpha_fused_B) / 2


class UnimodalLabels(nn.Module):
    """``NAME``: mean over rows of tanh|y_s - y| |score_s - y_s|, s a modality, y_s its generated
    label (eq. 10).

    y_s is y in the first epoch. From epoch n = 2 on each batch moves the labels of its rows, after
    its loss: y_s <- (n - 1)/(n + 1) y_s + 2/(n + 1) clip(generated y_s) (eq. 9). The centres are
    those of all train rows as they were before this batch. Labels of rows without the modality
    stay. A row whose score is not known has no label, which is 0: on neither side, and in no loss.
    """

    class Config(Config):
        weight: Annotated[float, Field(gt=0), Tune(0.1, 2.0, log=True)] = 1.0
        hidden_text: TextWidth = 32
        """Width of F*_m of text."""
        hidden_audio: AudioWidth = 16
        """Width of F*_m of audio."""
        hidden_video: VideoWidth = 32
        """Width of F*_m of video."""
        dropout_text: Annotated[float, Field(ge=0, lt=1)] = 0.1
        dropout_audio: Annotated[float, Field(ge=0, lt=1)] = 0.1
        dropout_video: Annotated[float, Field(ge=0, lt=1)] = 0.0
        tasks: tuple[Modality, ...] = MODALITIES
        """Modalities that have a task of their own."""
        labels: Literal["generated", "multimodal"] = "generated"
        """``multimodal``: every modality is trained by the row's own label, at full weight."""
        distance: Literal["squared", "plain"] = "squared"
        """Squared and over sqrt(D), as in the paper's equation 5, or not, as in its code."""

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        if context.space.kind != "score":
            raise RequestError(
                "objective unimodal-labels generates scores, "
                f"and this task is a {context.space.kind}; "
                "choose a task with a score, or --part objective=task"
            )
        assert context.space.anchors is not None
        self.config = config
        self.range = context.space.anchors[0], context.space.anchors[-1]
        self.modalities = list(context.streams)
        self.tasks = nn.ModuleDict(
            {
                m: UnimodalTask(
                    model.widths[f"utterance.{m}"],
                    getattr(config, f"hidden_{m}"),
                    getattr(config, f"dropout_{m}"),
                )
                for m in self.modalities
                if m in config.tasks
            }
        )
        self.register_buffer("label_MN", torch.zeros(len(self.modalities), context.n_train))
        self.register_buffer("target_N", torch.zeros(context.n_train))
        self.widths = [model.widths[f"utterance.{m}"] for m in self.modalities]
        self.centres = nn.ModuleDict({"fused": Centres(context.n_train, model.widths["fused"])})
        for m, task in self.tasks.items():
            self.centres[m] = Centres(context.n_train, task.score[0].in_features)
        self.features: dict[str, Tensor] = {}

    def _utterances(self, out: Output) -> Sequence[Tensor]:
        return out.aux["utterances"].split(self.widths, 1)

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        ids_B, known_B = batch.ids_B, known_rows(batch)
        y_B = torch.where(known_B, batch.target, 0.0)
        if at.epoch == 0:
            self.target_N[ids_B] = y_B
            self.label_MN[:, ids_B] = y_B
        terms = {}
        self.features = {}
        for index, (m, utterance_BD) in enumerate(
            zip(self.modalities, self._utterances(out), strict=True)
        ):
            if m not in self.tasks:
                continue
            task, label_B = self.tasks[m], self.label_MN[index, ids_B]
            features_BF = task.features(utterance_BD)
            self.features[m] = features_BF.detach()
            error_B = (task.score(features_BF)[:, 0] - label_B).abs()
            if self.config.labels == "generated":
                error_B = (label_B - y_B).abs().tanh() * error_B
            counts_B = out.aux["present"][:, index] & known_B
            terms[m] = self.config.weight * torch.where(counts_B, error_B, 0.0).mean()
        return terms

    def after_batch(self, model: Model, batch: Batch, out: Output, at: Progress) -> None:
        """Move the labels of the batch's rows, then keep its features."""
        assert out.fused is not None
        fused_BD, ids_B = out.fused.z_BCD[:, 0].detach(), batch.ids_B
        squared = self.config.distance == "squared"
        everyone_B = torch.ones_like(ids_B, dtype=torch.bool)
        alpha_fused_B = None
        if at.epoch > 0 and self.config.labels == "generated":
            alpha_fused_B = self.centres["fused"].relative_distance(
                fused_BD, self.target_N, squared
            )
        for index, m in enumerate(self.modalities):
            if m not in self.features:
                continue
            centres, present_B = self.centres[m], out.aux["present"][:, index]
            if alpha_fused_B is not None:
                alpha_B = centres.relative_distance(self.features[m], self.label_MN[index], squared)
                if alpha_B is not None:
                    moves_B = present_B & known_rows(batch)
                    self._move(index, batch, alpha_B, alpha_fused_B, moves_B, at.epoch + 1)
            centres.keep(ids_B, self.features[m], present_B)
        self.centres["fused"].keep(ids_B, fused_BD, everyone_B)
        self.features = {}

    def _move(
        self,
        index: int,
        batch: Batch,
        alpha_B: Tensor,
        alpha_fused_B: Tensor,
        moves_B: Tensor,
        n: int,
    ) -> None:
        """Equation 9, in epoch ``n`` counted from 1; generated labels stay within the anchors."""
        new_B = generated_label(batch.target, alpha_B, alpha_fused_B).clamp(*self.range)
        old_B = self.label_MN[index, batch.ids_B]
        moved_B = (n - 1) / (n + 1) * old_B + 2 / (n + 1) * new_B
        self.label_MN[index, batch.ids_B] = torch.where(moves_B, moved_B, old_B)
