"""The track of outside predictions: what their makers state that the model was offered."""

from __future__ import annotations

import numpy as np

from merbench.api.errors import RequestError
from merbench.api.material.corpus import Corpus
from merbench.api.material.types import MODALITIES
from merbench.api.material.word_vectors import Lexicon
from merbench.data.dataset_hash import revision
from merbench.data.leaking_streams import leaking_rows
from merbench.engine.plan.text_tower import tower_weights
from merbench.host.catalog import Catalog, unknown
from merbench.results.records.outside import UNKNOWN, About
from merbench.results.records.record import Track


def track_of(
    about: About,
    corpus: Corpus,
    task: str,
    protocol: str,
    catalog: Catalog,
    lexicon: Lexicon | None,
) -> Track:
    """That of trained models which were offered the same; one of its own where the makers do not
    state all of it, so that nothing unknown is ranked among what is known.

    ``lexicon``: the word vectors that are on this machine.
    """
    names = [] if isinstance(about.streams, str) else about.streams
    for name in names:
        if name not in corpus.streams:
            origin = f"streams of --about, and of dataset {corpus.name}"
            raise RequestError(unknown("stream", name, list(corpus.streams), origin))
    names = sorted(names, key=lambda name: MODALITIES.index(corpus.streams[name].modality))
    own_lexicon = corpus.offered[task].lexicon or corpus.lexicon
    splits = corpus.protocols[protocol].splits
    evaluated = np.concatenate([rows for split in splits for rows in (split.valid, split.test)])
    return Track(
        dataset=corpus.name,
        revision=revision(corpus, task, protocol, []),
        task=task,
        protocol=protocol,
        streams=names,
        pretrained=_pretrained(about, catalog, own_lexicon or lexicon),
        leaks=sorted(n for n in names if leaking_rows(corpus.streams[n], evaluated)),
    )


def _pretrained(about: About, catalog: Catalog, lexicon: Lexicon | None) -> dict[str, str]:
    """Name -> content hash of ``vectors:NAME`` and ``tower:NAME``; anything else is known by its
    name alone, which stands in the place of the hash.
    """
    if isinstance(about.pretrained, str):
        return {UNKNOWN: UNKNOWN}
    vectors = {file.name: file.sha256 for file in lexicon.files} if lexicon else {}
    hashes: dict[str, str] = {}
    for stated in about.pretrained:
        kind, _, name = stated.partition(":")
        if kind == "vectors":
            if name not in vectors:
                raise RequestError(
                    unknown("word vectors", name, list(vectors), "pretrained of --about")
                )
            hashes[stated] = vectors[name]
        elif kind == "tower":
            hashes |= tower_weights(name, catalog)
        else:
            hashes[stated] = stated
    return hashes
