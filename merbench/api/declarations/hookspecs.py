"""The hooks. A plugin is a package with an entry point in the group ``merbench`` whose value is a
module of hook implementations.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from merbench.api.declarations.command import Command
from merbench.api.declarations.component import Component
from merbench.api.declarations.metrics import MetricDef
from merbench.api.declarations.recipe import Recipe

PROJECT = "merbench"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Hooks:
    """Every hook that merbench calls."""

    @hookspec
    def merbench_components(self) -> Iterable[Component | Recipe | MetricDef]:  # type: ignore[empty-body]
        """Yield the declarations of this plugin: parts, whole models, data sets, metrics, recipes.

        The module must not import torch: it is read by ``merbench list``. A complete plugin::

            # pyproject.toml
            [project.entry-points.merbench]
            myfusion = "myfusion.hooks"

            # myfusion/hooks.py
            from merbench.api import Component, Recipe, hookimpl

            @hookimpl
            def merbench_components():
                yield Component(
                    kind="fusion",
                    name="mean",
                    target="myfusion.mean:Mean",
                    summary="mean over all modalities",
                )
                yield Recipe(
                    name="mean",
                    summary="mean over all modalities, linear head",
                    fusion="mean",
                    head="linear",
                    encoders={"words": "word-vectors", "features": "feature-transformer"},
                )

            # myfusion/mean.py
            import torch
            from merbench.api import Config, Fused, masked_mean

            class Mean(torch.nn.Module):
                class Config(Config):
                    width: int = 64

                def __init__(self, config, context, widths, query_width):
                    super().__init__()
                    self.width = config.width
                    self.project = torch.nn.ModuleDict(
                        {m: torch.nn.Linear(w, config.width) for m, w in widths.items()}
                    )

                def forward(self, parts, queries=None):
                    pooled = [self.project[m](masked_mean(*steps)) for m, steps in parts.items()]
                    return Fused(torch.stack(pooled).mean(0)[:, None])
        """

    @hookspec
    def merbench_commands(self) -> Iterable[Command]:  # type: ignore[empty-body]
        """Yield commands of the program; merbench's own are declared by this hook too.

        The command is any ``click.Command``. It may use the Python API (``import merbench``), and
        an exception of ``merbench.api`` that it raises is shown as one sentence::

            # myplugin/hooks.py
            from merbench.api import Command, hookimpl

            @hookimpl
            def merbench_commands():
                yield Command(
                    name="best", group="look", target="myplugin.best:command",
                    summary="The best run of a store.",
                )

            # myplugin/best.py
            import click
            import merbench

            @click.command("best")
            @click.option("--store", default="runs", show_default=True)
            def command(store):
                \"""Name the best run of a store.\"""
                table = merbench.leaderboard(store=store).to_pandas()
                click.echo(table.sort_values("rank").iloc[0]["model"])
        """
