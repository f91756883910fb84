"""MFN and Graph-MFN against their equations, one row and one step at a time."""

import itertools

import pytest
import torch

from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.testing import tiny
from merbench_baselines.align import aligned
from merbench_baselines.heads import MLP
from merbench_baselines.memory.graph_mfn import GraphMFN
from merbench_baselines.memory.mfn import MFN
from tests.plugins.baselines.made_parts import WIDTHS, close, make, real, sequences

SMALL = {
    "hidden_text": 5,
    "hidden_audio": 3,
    "hidden_video": 4,
    "memory": 6,
    "update_hidden": 7,
    "retain_hidden": 8,
    "write_hidden": 9,
}


def lstm_steps(cell, x_TD):
    """Pairs (h, c) of torch's own cell, from the zero state on."""
    state = torch.zeros(cell.hidden_size), torch.zeros(cell.hidden_size)
    pairs = [state]
    for x_D in x_TD:
        state = torch.nn.LSTMCell.forward(cell, x_D, state)
        pairs.append(state)
    return pairs


def memory_step(memory, a_A, u_M):
    gate_input = torch.cat((a_A, u_M)) if memory.looks_back else a_A
    retain, write = memory.retain(gate_input).sigmoid(), memory.write(gate_input).sigmoid()
    return retain * u_M + write * memory.update(a_A).tanh()


@pytest.mark.parametrize("gates", ["fusion", "fusion+memory"])
@pytest.mark.parametrize("delta", [True, False])
@pytest.mark.parametrize("modalities", [("text",), ("text", "audio", "video")])
def test_mfn_is_its_equations_step_by_step(gates, delta, modalities):
    widths = {m: WIDTHS[m] for m in modalities}
    fusion = make(MFN, widths, attention_hidden=10, gates=gates, delta=delta, **SMALL)
    parts = sequences(widths=widths, aligned=True)
    z_BD = fusion(parts).z_BCD[:, 0]
    for row in range(5):
        runs = {m: lstm_steps(fusion.lstms[m], real(parts[m], row)) for m in widths}
        u_M = torch.zeros(6)
        for t in range(1, len(runs["text"])):
            now = torch.cat([run[t][1] for run in runs.values()])
            before = torch.cat([run[t - 1][1] for run in runs.values()])
            c = torch.cat((before, now)) if delta else now
            score = fusion.attention.score(c).exp()
            u_M = memory_step(fusion.memory, score / score.sum() * c, u_M)
        close(z_BD[row], torch.cat([*(run[-1][0] for run in runs.values()), u_M]))


def test_mfn_without_a_memory_across_time_reads_the_last_step_alone():
    fusion = make(MFN, summary="last", **SMALL)
    parts = sequences(aligned=True)
    z_BD = fusion(parts).z_BCD[:, 0]
    for row in range(5):
        runs = [lstm_steps(fusion.lstms[m], real(parts[m], row)) for m in WIDTHS]
        c = torch.cat([run[t][1] for t in (-2, -1) for run in runs])
        a_A = torch.softmax(fusion.attention.score(c), 0) * c
        close(z_BD[row, -6:], fusion.memory(a_A).tanh())


@pytest.mark.parametrize("factory", [MFN, GraphMFN])
def test_streams_of_unequal_length_go_by_one_clock(factory):
    fusion, parts = make(factory, **SMALL), sequences(missing=[("text", 2), ("audio", 1)])
    z_BD = fusion(parts).z_BCD[:, 0]
    streams = aligned(parts)
    count = {m: steps.mask_BL.sum(1).tolist() for m, steps in parts.items()}
    lengths = [t or max(a, v) for t, a, v in zip(*count.values(), strict=True)]
    assert streams["audio"].mask_BL.sum(1).tolist() == lengths
    assert (streams["audio"].x_BLD[1] == 0).all()
    for row in range(5):
        alone = {
            m: type(s)(s.x_BLD[[row], : lengths[row]], s.mask_BL[[row], : lengths[row]])
            for m, s in streams.items()
        }
        close(fusion(alone).z_BCD[0, 0], z_BD[row])


def graph_by_hand(graph, singles):
    """Every node and edge by name, in the order in which the graph counts its edges."""
    names = list(singles)
    weights = graph.efficacy(torch.cat(list(singles.values()))).sigmoid().tolist()
    assert len(weights) == {2: 5, 3: 19}[len(names)]
    value = dict(singles)
    nodes = [n for k in range(1, len(names) + 1) for n in itertools.combinations(names, k)]
    for node in [*nodes[len(names) :], "output"]:
        below = nodes if node == "output" else [n for n in nodes if set(n) < set(node)]
        weighted = [value["+".join(n)] * weights.pop(0) for n in below]
        name = "output" if node == "output" else "+".join(node)
        value[name] = graph.networks[name](torch.cat(weighted))
    assert not weights
    return value["output"]


@pytest.mark.parametrize("singles", ["memories", "states"])
@pytest.mark.parametrize("modalities", [("text", "video"), ("text", "audio", "video")])
def test_graph_mfn_is_its_equations_step_by_step(singles, modalities):
    widths = {m: WIDTHS[m] for m in modalities}
    fusion = make(GraphMFN, widths, node=5, graph_hidden=7, singles=singles, **SMALL)
    parts = sequences(widths=widths, aligned=True)
    z_BD = fusion(parts).z_BCD[:, 0]
    which = {"states": 0, "memories": 1}[singles]
    for row in range(5):
        runs = {m: lstm_steps(fusion.lstms[m], real(parts[m], row)) for m in widths}
        u_M = torch.zeros(6)
        for t in range(1, len(runs["text"])):
            nodes = {
                m: fusion.single[m](torch.cat((run[t - 1][which], run[t][which])))
                for m, run in runs.items()
            }
            u_M = memory_step(fusion.memory, graph_by_hand(fusion.graph, nodes), u_M)
        close(z_BD[row], torch.cat([*(run[-1][0] for run in runs.values()), u_M]))


def test_without_efficacies_every_edge_counts_in_full():
    fusion = make(GraphMFN, efficacies=False, **SMALL)
    singles = {m: torch.randn(3, h) for m, h in zip(WIDTHS, (5, 3, 4), strict=True)}
    assert fusion.graph.efficacies(list(singles.values())).tolist() == [[1.0] * 19] * 3
    assert fusion.graph(singles).shape == (3, 64)


@pytest.mark.parametrize(("factory", "expected"), [(MFN, 1_945_200), (GraphMFN, 2_048_155)])
def test_parameters_at_the_published_settings(factory, expected):
    """Of BERT's 768 wide states, COVAREP's 74 and 20 of Facet: counted by hand from the layers."""
    widths = {"text": 768, "audio": 74, "video": 20}
    hidden = {"text": 256, "audio": 32, "video": 256}
    lstms = sum(4 * hidden[m] * (widths[m] + hidden[m] + 2) for m in widths)

    def two(w, h, out):
        return w * h + h + h * out + out

    if factory is MFN:
        c = 2 * 544
        layers = two(c, 32, c) + two(c, 64, 400) + two(c, 256, 400) + two(c, 32, 400)
    else:
        singles = sum(2 * h * h + h for h in hidden.values())
        pairs = [two(a + b, 100, 64) for a, b in itertools.combinations(hidden.values(), 2)]
        all_three, output = two(544 + 3 * 64, 100, 64), two(544 + 4 * 64, 100, 64)
        graph = sum(pairs) + all_three + output + two(544, 100, 19)
        layers = singles + graph + two(64, 32, 300) + two(64, 128, 300) + two(64, 64, 300)
    assert count(make(factory, widths)) == lstms + layers == expected


MMSA = {"text": 768, "audio": 5, "video": 20}


def test_parameters_are_those_that_mmsa_logged():
    """logs/mfn-mosi.log and logs/graph_mfn-mosi.log of thuiar/MMSA, at the settings written there."""
    head = tiny.context()
    mfn = make(
        MFN,
        MMSA,
        hidden_text=128,
        hidden_audio=4,
        hidden_video=16,
        memory=64,
        attention_hidden=256,
        update_hidden=128,
        retain_hidden=128,
        write_hidden=32,
        gates="fusion+memory",
    )
    mlp = MLP(MLP.Config(hidden=128), head, mfn.width, None)
    assert count(mfn) + count(mlp) == 756_281
    graph = make(
        GraphMFN,
        MMSA,
        hidden_text=128,
        hidden_audio=16,
        hidden_video=128,
        memory=300,
        node=64,
        graph_hidden=100,
        update_hidden=128,
        retain_hidden=128,
        write_hidden=128,
        gates="fusion+memory",
    )
    mlp = MLP(MLP.Config(hidden=32), head, graph.width, None)
    # Its networks of pairs and of all three stand in a dict, where torch does not see them; its
    # efficacies go through one layer of 64 more.
    unseen = sum(count(net) for name, net in graph.graph.networks.items() if name != "output")
    layer = 100 * 64 + 64 + 64 * 19 - 100 * 19
    assert count(graph) + count(mlp) - unseen + layer == 934_960


def test_graph_mfn_has_no_weight_decay_on_word_vectors(catalog):
    assert resolve(Request("graph-mfn"), catalog, tiny.corpus(), None).train.weight_decay == 0
    states = {"text": "text.transcript"}
    other = resolve(Request("graph-mfn", streams=states), catalog, tiny.corpus(), tiny.lexicon())
    assert other.train.weight_decay == 5e-3


def count(module):
    return sum(p.numel() for p in module.parameters())
