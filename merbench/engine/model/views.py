"""Views of a batch: its encoded modalities, changed by seeded transforms, for objectives that
compare them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch

from merbench.api import Modality, Steps
from merbench.engine.model import contract

Encoded = Mapping[Modality, Steps]
Transform = Callable[[Encoded, torch.Generator], Encoded]


class Views(Mapping[str, Encoded]):
    """Name -> the view, made when it is first asked for. Each draws from a generator of its own, so
    that one view never depends on whether another is used.
    """

    def __init__(
        self,
        transforms: Mapping[str, Sequence[Transform]],
        steps: Encoded,
        seed_of: Callable[[str], int],
    ) -> None:
        self.transforms, self.steps, self.seed_of = transforms, steps, seed_of
        self.views: dict[str, Encoded] = {}

    def __getitem__(self, name: str) -> Encoded:
        if name not in self.views:
            self.views[name] = self._view(name)
        return self.views[name]

    def _view(self, name: str) -> Encoded:
        device = next(iter(self.steps.values())).x_BLD.device
        draw = torch.Generator(device).manual_seed(self.seed_of(name))
        view = self.steps
        for transform in self.transforms[name]:
            view = contract.view(transform, transform(view, draw), view)
        return view

    def __iter__(self) -> Iterator[str]:
        return iter(self.transforms)

    def __len__(self) -> int:
        return len(self.transforms)
