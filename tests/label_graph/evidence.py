"""Readers of the control set's emotions to whom each label's evidence is given as the law has it,
so that all they learn is what labels say of each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from merbench.api import MODALITIES, Split, Task, derangement
from merbench.data.labels.counts import label_counts
from merbench.engine.rows.hidden_labels import hide
from merbench_datasets.sample.data_set import Sample
from merbench_datasets.sample.emotions import LABELS, SETS_KC
from merbench_related.kggr.graphs import conditional
from merbench_related.scpnet import prior

STRENGTHS = (0.03, 0.3, 3.0)
"""Inverse L2 penalties of the logistic regressions, of which validation rows choose."""


@dataclass(frozen=True)
class Evidence:
    """``own_NC``: log-odds of each label given what the row shows of it alone. ``task``: with the
    train labels that are shown.
    """

    own_NC: np.ndarray
    task: Task
    split: Split

    @property
    def known_NC(self) -> np.ndarray:
        known = self.task.known
        return np.ones(self.task.target.shape, dtype=bool) if known is None else known

    def map(self, score_NC: np.ndarray, rows: np.ndarray) -> float:
        """Mean average precision over labels."""
        columns = range(len(LABELS))
        target_NC = self.task.target
        return float(
            np.mean(
                [average_precision_score(target_NC[rows, c], score_NC[rows, c]) for c in columns]
            )
        )

    def graph(self) -> np.ndarray:
        """[C, C]: P(label j | label i) counted from the shown train labels, 0 on the diagonal."""
        graph_CC = conditional(label_counts(self.task, self.split.train), min_count=3.0)
        np.fill_diagonal(graph_CC, 0.0)
        return graph_CC

    def shuffled_graph(self) -> np.ndarray:
        """The same edges, each label with another's."""
        order = derangement(len(LABELS))
        return self.graph()[order][:, order]


def evidence() -> Evidence:
    """With all train labels."""
    corpus = Sample(Sample.Config()).load()
    task = corpus.tasks["emotions"]
    p_NC = np.clip(task.law.label_by_label(frozenset(MODALITIES)), 1e-9, 1 - 1e-9)
    return Evidence(logit(p_NC), task, corpus.protocols["standard"].splits[0])


def with_labels(full: Evidence, policy: str, seed: int) -> Evidence:
    return replace(full, task=hide(policy, full.task, full.split.train, seed, None))


def best(full: Evidence) -> float:
    """Test mAP of the law itself."""
    p_NK = full.task.law.posterior(frozenset(MODALITIES))
    return full.map(p_NK @ SETS_KC, full.split.test)


def label_by_label(given: Evidence) -> float:
    """Each label is read from its own evidence."""
    return given.map(given.own_NC, given.split.test)


def calibrated(given: Evidence, share: float, shuffle: bool = False) -> float:
    """SCPNet's A p of the probabilities p that each label has by its own evidence; A is made of the
    labels' names alone, ``share`` of a row its neighbours'.
    """
    lexicon, order = given.task.lexicon, np.arange(len(LABELS))
    assert lexicon is not None
    names_CD, _ = lexicon.phrases(LABELS)
    unit_CD = names_CD / np.linalg.norm(names_CD, axis=1, keepdims=True)
    adjacency_CC = prior.adjacency(prior.contrasted(unit_CD, "centre", 1.0), 2, share)
    if shuffle:
        order = derangement(len(LABELS))
    p_NC = expit(given.own_NC)
    return given.map(p_NC @ adjacency_CC[order][:, order].T, given.split.test)


def over_graph(given: Evidence, graph_CC: np.ndarray) -> float:
    """One logistic regression for all labels: own evidence, what the label's neighbours send it
    over both directions of the graph, and an offset a label.
    """
    p_NC = expit(given.own_NC)
    x_NCF = np.stack([given.own_NC, p_NC @ graph_CC.T, p_NC @ graph_CC], 2)
    offset_NCC = np.broadcast_to(3 * np.eye(len(LABELS)), (*p_NC.shape, len(LABELS)))
    x_NCF = np.concatenate([x_NCF, offset_NCC], 2)
    shown_NC = given.known_NC & np.isin(np.arange(len(p_NC)), given.split.train)[:, None]
    scores = [
        LogisticRegression(C=strength, fit_intercept=False)
        .fit(x_NCF[shown_NC], given.task.target[shown_NC])
        .decision_function(x_NCF.reshape(-1, x_NCF.shape[2]))
        .reshape(p_NC.shape)
        for strength in STRENGTHS
    ]
    return _chosen(given, scores)


def without_graph(given: Evidence) -> float:
    """A logistic regression a label, which reads the evidence of all labels."""
    train, scores = given.split.train, []
    for strength in STRENGTHS:
        columns = []
        for c in range(len(LABELS)):
            rows = train[given.known_NC[train, c]]
            reader = LogisticRegression(C=strength)
            reader.fit(given.own_NC[rows], given.task.target[rows, c])
            columns.append(reader.decision_function(given.own_NC))
        scores.append(np.stack(columns, 1))
    return _chosen(given, scores)


def _chosen(given: Evidence, scores: list[np.ndarray]) -> float:
    """Test mAP of the scores that are best on validation rows."""
    return given.map(max(scores, key=lambda s: given.map(s, given.split.valid)), given.split.test)
