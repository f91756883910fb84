"""Graph Memory Fusion Network (Zadeh et al. 2018, ACL, P18-1208, section 4.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.api import (
    Context,
    Fused,
    Modality,
    Queries,
    Steps,
    Tune,
    by_length,
    complete,
    last_step,
)
from merbench_baselines.align import aligned
from merbench_baselines.fields import Dropout, Width
from merbench_baselines.layers import hidden_layer
from merbench_baselines.memory.lstm_memories import (
    GatedMemory,
    MemoryConfig,
    MemoryDropout,
    SystemOfLSTMs,
    with_previous,
)

Node = tuple[Modality, ...]


def subsets(of: Sequence[Modality]) -> list[Node]:
    """All non-empty subsets, the smaller first, so that a node comes after those that it reads."""
    return [node for size in range(1, len(of) + 1) for node in combinations(of, size)]


class DynamicFusionGraph(nn.Module):
    """A node for every non-empty subset of modalities, and an output node.

    A node of several modalities is D(all nodes of proper subsets, each times the efficacy of its
    edge); the output is D(all nodes times theirs). The efficacies are a sigmoid network of the
    single modalities' nodes.
    """

    def __init__(
        self, widths: Mapping[Modality, int], width: int, hidden: int, dropout: float, edges: bool
    ) -> None:
        super().__init__()
        nodes = subsets(list(widths))
        self.sources: dict[str, list[Node]] = {
            "+".join(node): [s for s in nodes if set(s) < set(node)]
            for node in nodes
            if len(node) > 1
        }
        self.sources["output"] = nodes
        node_widths = {node: widths[node[0]] if len(node) == 1 else width for node in nodes}

        def network(sources: list[Node]) -> nn.Module:
            wide = sum(node_widths[source] for source in sources)
            return hidden_layer(wide, hidden, width, dropout)

        self.networks = nn.ModuleDict({name: network(s) for name, s in self.sources.items()})
        self.edges = sum(len(sources) for sources in self.sources.values())
        self.efficacy = (
            hidden_layer(sum(widths.values()), hidden, self.edges, dropout) if edges else None
        )

    def efficacies(self, singles: Sequence[Tensor]) -> Tensor:
        """[..., edges] in (0, 1), in the order of ``sources``; ones without a network for them."""
        side_by_side = torch.cat(list(singles), -1)
        if self.efficacy is None:
            return side_by_side.new_ones(*side_by_side.shape[:-1], self.edges)
        return self.efficacy(side_by_side).sigmoid()

    def forward(self, singles: Mapping[Modality, Tensor]) -> Tensor:
        """The output node [..., width] from one [..., D_m] a modality."""
        value: dict[Node, Tensor] = {(m,): x for m, x in singles.items()}
        weights = iter(self.efficacies(list(singles.values())).split(1, -1))
        output = None
        for name, sources in self.sources.items():
            weighted = [value[source] * next(weights) for source in sources]
            output = self.networks[name](torch.cat(weighted, -1))
            if name != "output":
                value[tuple(name.split("+"))] = output  # type: ignore[index]
        assert output is not None
        return output


class GraphMFN(nn.Module):
    """z = [h_T of every modality's LSTM; u_T]: MFN with a dynamic fusion graph in place of the
    attention.

    The node of a single modality is ReLU(W_m [c_{t-1}; c_t] + b_m).
    """

    class Config(MemoryConfig):
        memory: Annotated[int, Field(ge=1), Tune(64, 512, log=True)] = 300
        update_hidden: Width = 32
        retain_hidden: Width = 128
        retain_dropout: MemoryDropout = 0.5
        write_hidden: Width = 64
        write_dropout: MemoryDropout = 0.5
        node: Annotated[int, Field(ge=1), Tune(32, 256, log=True)] = 64
        """Width of the nodes of several modalities and of the output."""
        graph_hidden: Width = 100
        """Hidden layer of the graph's networks."""
        graph_dropout: Dropout = 0.0
        singles: Literal["memories", "states"] = "memories"
        """What the single modalities' nodes read of two steps: the LSTMs' memories, which MFN's
        attention reads, or their states, as in public code.
        """
        efficacies: bool = True
        """False: every edge counts in full."""

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        self.widths, self.reads_states = widths, config.singles == "states"
        self.lstms = SystemOfLSTMs(config, widths)
        hidden = {m: config.hidden(m) for m in widths}
        self.single = nn.ModuleDict(
            {m: nn.Sequential(nn.Linear(2 * h, h), nn.ReLU()) for m, h in hidden.items()}
        )
        self.graph = DynamicFusionGraph(
            hidden, config.node, config.graph_hidden, config.graph_dropout, config.efficacies
        )
        self.memory = GatedMemory(config.node, config)
        self.width = self.lstms.width + config.memory

    def last_states(self, parts: Mapping[str, Steps]) -> Tensor:
        """[B, width] of aligned streams."""
        runs = self.lstms(parts)
        inputs = {m: h if self.reads_states else c for m, (h, c) in runs.items()}
        singles = {m: self.single[m](with_previous(x_BTH)) for m, x_BTH in inputs.items()}
        u_BTM = self.memory(self.graph(singles))  # type: ignore[arg-type]
        x_BTD = torch.cat([*(h for h, _ in runs.values()), u_BTM], 2)
        return last_step(x_BTD, next(iter(parts.values())).mask_BL)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        streams = aligned(complete(parts, self.widths))
        return Fused(by_length(self.last_states, streams)[:, None])
