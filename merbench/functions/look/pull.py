"""``merbench.pull``: runs of others, verified and put into your own store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from merbench.api.errors import MerbenchError
from merbench.bench.own_labels import corpus_of, truth_of
from merbench.bench.python_function import python_function
from merbench.bench.python_session import catalog, homes
from merbench.functions.look.pull_source import opened_source

if TYPE_CHECKING:
    from merbench.api.material.corpus import Corpus
    from merbench.host.catalog import Catalog
    from merbench.results.store.merge import Merged
    from merbench.results.store.store import Store
    from merbench.tuning.merge import MergedSearch


@python_function
def pull(
    source: str | Path, store: str | Path = "runs", *, data: str | Path | None = None
) -> list[Merged | MergedSearch]:
    """Every run of ``source``: boards, one of them or a store, as a folder, a zip file, or the http
    address of a zip file. Each is verified with your own labels before it is put into ``store``;
    what the store has done stays. ``how``: copied, there, conflict, refused; ``why``. The searches
    of a store come after its runs.

    RequestError, RunError or DataError where the source cannot be read; DataError where its data
    set is not here.
    """
    from merbench.engine.plan.datasets import open_dataset
    from merbench.results.store.store import Store

    def load(name: str) -> Corpus:
        return open_dataset(catalog(), name, homes(data))

    target = Store(Path(store))
    target.require_writable()
    with opened_source(str(source)) as folder:
        return list(pulled(folder, target, catalog(), load))


def pulled(
    folder: Path, target: Store, catalog: Catalog, load: Callable[[str], Corpus]
) -> Iterator[Merged | MergedSearch]:
    """``folder``: as ``opened_source`` gives it. ``load``: the data set of a name. Of a track
    whose data set is not here, every run is refused.
    """
    from merbench.report.folder.read import read, tracks
    from merbench.report.verify.merge_board import merge_board
    from merbench.results.store.merge import Merged, merge
    from merbench.tuning.merge import merge_searches

    if (folder / "runs").is_dir():
        yield from merge(folder, target)
        yield from merge_searches(folder, target.root)
        return
    one_track = (folder / "rows.json").is_file()
    for path in [folder] if one_track else tracks(folder):
        board_folder = read(path, with_scores=False)
        track = board_folder.board.track
        try:
            truth = truth_of(catalog, corpus_of(load, track), track, with_optimum=False)
        except MerbenchError as error:
            for record in board_folder.records:
                yield Merged(record.run_id, "refused", str(error))
            continue
        yield from merge_board(board_folder, truth, target)
