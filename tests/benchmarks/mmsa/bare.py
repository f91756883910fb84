"""``python bare.py FOLDER``: LF-DNN on a data set's streams as one would write it by hand, one
thread.
"""

from __future__ import annotations

import sys

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

TRAIN, VALID = 1284, 229


def main(folder: str, epochs: int) -> None:
    torch.set_num_threads(1)
    streams = [
        load_file(f"{folder}/streams/{m}.unaligned.safetensors") for m in ("text", "audio", "video")
    ]
    lstm = nn.LSTM(768, 128, batch_first=True)
    audio, video = nn.Linear(5, 128), nn.Linear(20, 128)
    head = nn.Sequential(nn.Linear(3 * 128, 128), nn.ReLU(), nn.Linear(128, 1))
    parts = nn.ModuleList((lstm, audio, video, head))
    optimiser = torch.optim.Adam(parts.parameters(), foreach=True)

    def predict(rows_B: Tensor) -> Tensor:
        t_BLD, a_BLD, v_BLD = (
            pad_sequence([x["values"][x["offset"][r] : x["offset"][r + 1]] for r in rows_B], True)
            for x in streams
        )
        a_BLD = torch.nan_to_num(a_BLD, neginf=0.0)
        vectors = (lstm(t_BLD)[0][:, -1], audio(a_BLD.mean(1)), video(v_BLD.mean(1)))
        return head(torch.cat(vectors, 1))

    for _ in range(epochs):
        for rows_B in torch.arange(TRAIN).split(64):
            predict(rows_B).abs().mean().backward()
            optimiser.step()
            optimiser.zero_grad()
        with torch.no_grad():
            for rows_B in torch.arange(TRAIN, TRAIN + VALID).split(64):
                predict(rows_B)


main(sys.argv[1], int(sys.argv[2]))
