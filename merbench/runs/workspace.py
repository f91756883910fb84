"""What runs are made of: plugins, data sets and word vectors, each opened once, where a run first
needs it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from merbench.api import Corpus, Lexicon
from merbench.data.word_vector_files import open_lexicon
from merbench.engine.plan.datasets import open_dataset
from merbench.engine.plan.plan import Plan, Request
from merbench.engine.resolve import resolve
from merbench.host.catalog import Catalog
from merbench.host.discovery import discover


@dataclass(frozen=True)
class Sources:
    """Where a workspace finds things, as plain data: plugins left out, data homes, names of word
    vectors.
    """

    disabled: tuple[str, ...]
    homes: tuple[Path, ...]
    vectors: tuple[str, ...]


class Workspace:
    """A process that is forked from this one shares what is open; one that gets it pickled opens
    the same again.
    """

    def __init__(
        self, sources: Sources, catalog: Catalog | None = None, corpora: Sequence[Corpus] = ()
    ) -> None:
        """``corpora``: data sets that are open already."""
        self.sources = sources
        self.catalog = catalog or Catalog(discover(sources.disabled))
        self._corpora = {corpus.name: corpus for corpus in corpora}
        self._plans: dict[str, Plan] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Workspace, (self.sources,)

    @cached_property
    def lexicon(self) -> Lexicon | None:
        return open_lexicon(self.sources.vectors, self.sources.homes)

    def lexicon_for(self, corpus: Corpus) -> Lexicon | None:
        """None for a data set that brings its own. RequestError for named vectors that are not
        there, also where nothing would read them.
        """
        lexicon = self.lexicon if self.sources.vectors or not corpus.lexicon else None
        return None if corpus.lexicon else lexicon

    def corpus(self, name: str) -> Corpus:
        if name not in self._corpora:
            self._corpora[name] = open_dataset(self.catalog, name, self.sources.homes)
        return self._corpora[name]

    def plan(self, dataset: str, request: Request) -> Plan:
        """RequestError where they do not fit."""
        if request.start:  # whose weights are files, which may change
            return self._resolve(dataset, request)
        key = json.dumps([dataset, asdict(request)], sort_keys=True)
        if key not in self._plans:
            self._plans[key] = self._resolve(dataset, request)
        return self._plans[key]

    def _resolve(self, dataset: str, request: Request) -> Plan:
        corpus = self.corpus(dataset)
        return resolve(request, self.catalog, corpus, self.lexicon_for(corpus))

    @property
    def corpora(self) -> Sequence[Corpus]:
        """Those that are open."""
        return list(self._corpora.values())
