"""What this package offers to merbench: the systems that stand beside MER-CLIP. Imports no torch.

A system is a folder: its declarations, and a file for each of its parts.
"""

from collections.abc import Iterator

from merbench.api import Component, Recipe, hookimpl
from merbench_related.carat import declarations as carat
from merbench_related.cmpc import declarations as cmpc
from merbench_related.declare import part
from merbench_related.kggr import declarations as kggr
from merbench_related.lgca import declarations as lgca
from merbench_related.lsgmer import declarations as lsgmer
from merbench_related.mclner import declarations as mclner
from merbench_related.memobert import declarations as memobert
from merbench_related.mpuc import declarations as mpuc
from merbench_related.scpnet import declarations as scpnet
from merbench_related.tailor import declarations as tailor

SYSTEMS = (
    carat,
    cmpc,
    kggr,
    lgca,
    lsgmer,
    mclner,
    memobert,
    mpuc,
    scpnet,
    tailor,
)


@hookimpl
def merbench_components() -> Iterator[Component | Recipe]:
    yield part(
        "head", "word-mlp", "word_mlp:WordMLP", "a logit a label word", accepts=("pooled", "labels")
    )
    for system in SYSTEMS:
        yield from system.declarations()
