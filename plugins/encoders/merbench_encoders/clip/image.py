"""``clip-image``: CLIP's image tower on a few frames of a clip."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from pydantic import Field
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from merbench.api import ClipRows, Context, Decoded, Steps, StreamSpec, TextRows, Tune, read_frames
from merbench_encoders.clip.config import ClipConfig
from merbench_encoders.clip.faces import Faces, face_weights
from merbench_encoders.clip.towers import joint_width, load_clip
from merbench_encoders.clip.weights import clip_digest, clip_source
from merbench_encoders.sequence import sinusoids, thin
from merbench_encoders.tower import Tower

_INSTEAD = (
    "use a stream of video features (--stream video=NAME) or an untrained tower (--set "
    "encoder.video.pretrained=random)"
)


class Frames(NamedTuple):
    """``x_BTCHW`` RGB [B, T, 3, H, W] at the tower's image size, uint8 or float in [0, 1];
    ``mask_BT`` bool, True = a real frame.
    """

    x_BTCHW: Tensor
    mask_BT: Tensor


class ClipImage(Tower):
    """Clips -> Frames -> Steps [B, min(T, config.frames), D], D = CLIP's joint width.

    A step is the frame's embedding at length sqrt(D) (CLIP compares directions only) plus the
    sinusoids of its place among the frames. Frames are resized and cropped as the tower was trained
    with; with ``face=largest`` it is the squares around faces that are. ``measured``:
    ``faceless_rate``, the share of the frames in which no face was found (they are cut where the
    nearest one in time was; a clip without any stays whole).
    """

    class Config(ClipConfig):
        frames: Annotated[int, Field(ge=1), Tune(choices=(4, 8, 16))] = 8
        """Frames that a clip keeps at most, uniformly spaced."""
        face: Literal["none", "largest"] = "none"
        """``largest``: of each frame the square around its largest face is seen (extra ``face``).
        """
        face_margin: Annotated[float, Field(ge=0, le=2)] = 0.3
        """What the square has around the face on each side, as a share of the longer side of the
        face's box: 0.3 shows the head.
        """

    packages = ("open_clip_torch", "pillow", "timm", "torchvision")
    mean_C11: Tensor
    scale_C11: Tensor
    place_TD: Tensor

    def __init__(self, config: Config, context: Context, stream: StreamSpec) -> None:
        net = load_clip(config, _INSTEAD).visual
        from open_clip.transform import (
            PreprocessCfg,
            image_transform_v2,
        )  # after the weights are there, as in clip.py

        super().__init__(net, config)
        self.frames, self.width = config.frames, joint_width(config, _INSTEAD)
        self.faces, self.margin = Faces() if config.face == "largest" else None, config.face_margin
        settings = PreprocessCfg(**net.preprocess_cfg)
        # Without the last two of its steps, which make a tensor and normalise it: the device does
        # that.
        self.shrink = image_transform_v2(settings, is_train=False).transforms[:-2]
        self.register_buffer(
            "mean_C11", torch.tensor(settings.mean)[:, None, None], persistent=False
        )
        self.register_buffer(
            "scale_C11", torch.tensor(settings.std)[:, None, None], persistent=False
        )
        self.register_buffer("place_TD", sinusoids(config.frames, self.width), persistent=False)
        height_width = torch.Size(np.broadcast_to(settings.size, 2).tolist())
        self.settle_adapters(
            Frames(torch.zeros(1, 1, 3, *height_width), torch.ones(1, 1, dtype=torch.bool))
        )

    @staticmethod
    def pretrained(config: Config) -> dict[str, str]:
        """Name -> SHA-256 of the weights it starts from, the face detector's among them."""
        return clip_digest(config, _INSTEAD) | (face_weights() if config.face == "largest" else {})

    @staticmethod
    def sources(config: Config) -> dict[str, str]:
        """Name -> where those weights come from, with the revision where there is one."""
        faces = (
            dict.fromkeys(face_weights(), "inside the package dlib")
            if config.face == "largest"
            else {}
        )
        return clip_source(config, _INSTEAD) | faces

    @property
    def steps_at_once(self) -> int:
        """Frames. A CPU is quickest where what a layer makes of them stays in its cache."""
        return 32 if self.mean_C11.device.type == "cpu" else 128

    def prepare(self, rows: TextRows) -> ClipRows:
        """Clips are decoded as batches ask for them."""
        clips = ClipRows(rows, self.read, _together)
        self.measured = clips.measured
        return clips

    def read(self, path: str) -> Decoded:
        """A clip's frames, uint8 [T, 3, H, W] at the tower's image size."""
        clip_frames = read_frames(path, self.frames)
        if not (frames := clip_frames.values):
            return clip_frames
        shares = {}
        if self.faces:
            frames, lost = self.faces.cut(frames, self.margin)
            shares["faceless_rate"] = (lost, len(frames))
        return Decoded(
            torch.stack([self._shrunk(frame) for frame in frames]), clip_frames.note, shares
        )

    def _shrunk(self, frame_HWC: np.ndarray) -> Tensor:
        image = Image.fromarray(frame_HWC)
        for step in self.shrink:
            image = step(image)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)

    def forward(self, inputs: Frames) -> Steps:
        x_BTCHW, mask_BT = thin(*inputs, self.frames)
        z_BTD = torch.zeros(*mask_BT.shape, self.width, device=mask_BT.device)
        if mask_BT.any():  # real frames only: the tower is what costs
            x_NCHW = x_BTCHW[mask_BT]  # a copy, so that what follows may work in its place
            x_NCHW = x_NCHW if x_NCHW.is_floating_point() else x_NCHW / 255
            with self.cast(x_NCHW.device):
                z_ND = _pooled(self.net(x_NCHW.sub_(self.mean_C11).div_(self.scale_C11)))
            z_BTD = z_BTD.index_put(
                (mask_BT,), F.normalize(z_ND.float(), dim=-1) * math.sqrt(self.width)
            )
        return Steps(z_BTD + self.place_TD[(mask_BT.cumsum(1) - 1).clamp(min=0)], mask_BT)


def _pooled(output: Tensor | tuple[Tensor, Tensor]) -> Tensor:
    """[N, D]: CoCa's tower (Yu et al. 2022, 2205.01917) returns its tokens beside it."""
    return output if isinstance(output, Tensor) else output[0]


def _together(clips: Sequence[Tensor | None]) -> Frames:
    decoded_clips = [clip for clip in clips if clip is not None]
    if not decoded_clips:
        return Frames(
            torch.zeros(len(clips), 1, 3, 1, 1, dtype=torch.uint8),
            torch.zeros(len(clips), 1, dtype=torch.bool),
        )
    no_frames = decoded_clips[0][:0]
    x_BTCHW = pad_sequence(
        [no_frames if clip is None else clip for clip in clips], batch_first=True
    )
    length_B = torch.tensor([0 if clip is None else len(clip) for clip in clips])
    return Frames(x_BTCHW, torch.arange(x_BTCHW.shape[1]) < length_B[:, None])
