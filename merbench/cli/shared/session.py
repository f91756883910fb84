"""What one call of the program shares: the catalogue, loaded once and passed down."""

from __future__ import annotations

import gc
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from merbench.terminal.messages import say, say_note

if TYPE_CHECKING:
    from merbench.api.events import Event
    from merbench.api.material.corpus import Corpus
    from merbench.api.material.word_vectors import Lexicon
    from merbench.bench.bench import Bench
    from merbench.bench.options import RunOptions
    from merbench.host.catalog import Catalog

COLLECTED = gc.get_threshold()
"""Python's own, before ``program`` raised it."""


class Session:
    """``disabled``: plugins left out by ``--no-plugin``."""

    def __init__(self, disabled: tuple[str, ...] = ()) -> None:
        self.disabled = disabled
        self._noted: set[Event] = set()

    def note(self, event: Event) -> None:
        """As ``say_note``, each note once: several boards may be of one data set."""
        if event not in self._noted:
            self._noted.add(event)
            say_note(event)

    @cached_property
    def catalog(self) -> Catalog:
        """Every plugin's declarations. A broken plugin costs one line on stderr."""
        from merbench.host.catalog import Catalog
        from merbench.host.discovery import discover

        catalog = Catalog(discover(self.disabled))
        for warning in catalog.warnings:
            say(f"warning: {warning}")
        return catalog

    def homes(self, data: Path | None) -> list[Path]:
        from merbench.data.home import data_homes

        return data_homes(data, os.environ)

    def dataset(self, name: str | None, data: Path | None) -> Corpus:
        """The data set; without a name the default one, and a line that says which and why."""
        from merbench.engine.plan.datasets import open_or_default

        return open_or_default(self.catalog, self.homes(data), name, self.note)

    def bench(self, options: RunOptions) -> Bench:
        """What the runs of a command share."""
        from merbench.bench.bench import Bench
        from merbench.terminal.run_progress import RunProgress

        homes = self.homes(options.data)
        bench = Bench(self.catalog, homes, options, self.note, RunProgress, self.disabled)
        # What was imported is passed over from now on; what training leaves is collected as usual.
        gc.freeze()
        gc.set_threshold(*COLLECTED)
        return bench

    def lexicon(self, names: tuple[str, ...], data: Path | None) -> Lexicon | None:
        from merbench.data.word_vector_files import open_lexicon

        return open_lexicon(names, self.homes(data))
