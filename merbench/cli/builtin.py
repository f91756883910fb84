"""The commands that merbench brings itself, declared by the hook that guests use."""

from __future__ import annotations

from collections.abc import Iterator

from merbench.api import Command, hookimpl
from merbench.api.declarations.command import CommandGroup

SUMMARIES: dict[CommandGroup, dict[str, str]] = {
    "measure": {
        "run": "Train and score a model over seeds and folds.",
        "tune": "Search a model's settings on train and valid.",
        "ablate": "Compare a model with its ablations, in pairs on the same seeds.",
        "study": "Models x data sets x tracks x seeds, described in one file.",
        "score": "Put predictions made elsewhere on the boards.",
        "ask": "Write prompts for a language model, whose answers score reads.",
        "encode": "Run a model's frozen encoders ahead of its runs, into the cache.",
    },
    "look": {
        "leaderboard": "Every finished run as tables, one a track; boards as web pages.",
        "compare": "Test the difference between two models, or between all of a track.",
        "show": "What a model is made of, and what it would read on a data set.",
        "list": "Models, parts, data sets and metrics, with the plugin each comes from.",
        "store": "Bring together what was run on several machines.",
    },
    "ask": {
        "generalise": "Read a trained model out with other label words, without training.",
        "robust": "Score trained models on damaged test rows.",
        "transfer": "Train on one data set and score on another.",
        "predict": "Apply finished runs to new utterances.",
        "ensemble": "Average what finished runs predict.",
    },
    "data": {
        "data": "Data sets: list, show, audit, download and add them.",
    },
    "extend": {
        "plugins": "Installed plugins, broken ones with their error; conformance checks.",
        "doctor": "What is here, what is missing, and what to do about it.",
    },
}


@hookimpl
def merbench_commands() -> Iterator[Command]:
    for group, summaries in SUMMARIES.items():
        for name, summary in summaries.items():
            room = "" if group == "data" else f"{group}."
            module = "list_" if name == "list" else name
            target = f"merbench.cli.{room}{module}:command"
            yield Command(name=name, group=group, summary=summary, target=target)
