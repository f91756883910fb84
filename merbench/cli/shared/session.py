"""What one call of the program shares: the catalogue, loaded once and handed down."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from merbench.cli.shared.output import say

if TYPE_CHECKING:
    from merbench.api.corpus import Corpus
    from merbench.api.lexicon import Lexicon
    from merbench.host.catalog import Catalog


class Session:
    """``disabled``: plugins left out by ``--no-plugin``."""

    def __init__(self, disabled: tuple[str, ...] = ()) -> None:
        self.disabled = disabled

    @cached_property
    def catalog(self) -> Catalog:
        """Every plugin's declarations. A broken plugin costs one line on stderr."""
        from merbench.host.catalog import Catalog
        from merbench.host.manager import discover

        catalog = Catalog(discover(self.disabled))
        for plugin in catalog.plugins:
            if plugin.error:
                say(
                    f"warning: plugin {plugin.name!r} of {plugin.distribution} {plugin.version} is not used: {plugin.error}"
                )
        return catalog

    def homes(self, data: Path | None) -> list[Path]:
        from merbench.data.home import data_homes

        return data_homes(data, os.environ)

    def dataset(self, name: str | None, data: Path | None) -> Corpus:
        """The data set; without a name MOSI where it is on the machine, else the generated one, and
        a line that says which and why.
        """
        from merbench.data.home import find_folder
        from merbench.engine.datasets import open_dataset

        homes = self.homes(data)
        if name is None:
            found = find_folder("mosi", homes)
            name = "mosi" if found else "sample"
            where = (
                f"found in {found}"
                if found
                else "no MOSI here (merbench data show mosi says where it was looked for)"
            )
            say(f"dataset {name}: {where}")
        corpus = open_dataset(self.catalog, name, homes)
        for note in corpus.notes:
            say(f"note: {note}")
        return corpus

    def lexicon(self, names: tuple[str, ...], data: Path | None) -> Lexicon | None:
        from merbench.data.word_vectors import open_lexicon

        return open_lexicon(names, self.homes(data))
