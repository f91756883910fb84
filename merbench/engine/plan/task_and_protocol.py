"""What is predicted and how rows are split: the task and the protocol of a request."""

from __future__ import annotations

from dataclasses import dataclass

from merbench.api import Corpus, Protocol, Task
from merbench.engine.plan.pick import pick
from merbench.engine.plan.plan import Request


@dataclass(frozen=True)
class Goal:
    """A task and a protocol of a data set, with the names that they have there."""

    task_name: str
    task: Task
    protocol_name: str
    protocol: Protocol


def choose_goal(request: Request, corpus: Corpus) -> Goal:
    """Those that were asked for, or the data set's usual ones."""
    task_name, task = pick("task", request.task, corpus.offered, "sentiment", corpus)
    protocol_name, protocol = pick(
        "protocol", request.protocol, corpus.protocols, "standard", corpus
    )
    return Goal(task_name, task, protocol_name, protocol)
