"""merbench: benchmark suite for multimodal emotion recognition.

The Python API has the command line's names and meanings::

    import merbench

    result = merbench.run("tfn", "mosi", seeds=10)
    result.to_pandas()
    merbench.leaderboard("runs").to_pandas()

Nothing heavy is imported before it is needed: torch with the first run, not with ``list_models``.
What is asked for wrongly raises ``RequestError``, one sentence; its base is ``MerbenchError``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from merbench.api.errors import DataError as DataError
    from merbench.api.errors import MerbenchError as MerbenchError
    from merbench.api.errors import RequestError as RequestError
    from merbench.api.errors import RunError as RunError
    from merbench.functions.ablate import ablate as ablate
    from merbench.functions.ask import ask as ask
    from merbench.functions.catalogue import list_datasets as list_datasets
    from merbench.functions.catalogue import list_models as list_models
    from merbench.functions.catalogue import list_parts as list_parts
    from merbench.functions.catalogue import load_dataset as load_dataset
    from merbench.functions.ensemble import ensemble as ensemble
    from merbench.functions.export import export as export
    from merbench.functions.generalise import generalise as generalise
    from merbench.functions.leaderboard import compare as compare
    from merbench.functions.leaderboard import leaderboard as leaderboard
    from merbench.functions.predict import predict as predict
    from merbench.functions.pull import pull as pull
    from merbench.functions.robust import robust as robust
    from merbench.functions.run import run as run
    from merbench.functions.score import score as score
    from merbench.functions.serve import serve as serve
    from merbench.functions.show import show as show
    from merbench.functions.supersede import supersede as supersede
    from merbench.functions.transfer import transfer as transfer
    from merbench.functions.tune import tune as tune

_HOME = {
    "api.errors": ("DataError", "MerbenchError", "RequestError", "RunError"),
    "functions.ablate": ("ablate",),
    "functions.ask": ("ask",),
    "functions.catalogue": ("list_datasets", "list_models", "list_parts", "load_dataset"),
    "functions.ensemble": ("ensemble",),
    "functions.export": ("export",),
    "functions.generalise": ("generalise",),
    "functions.leaderboard": ("compare", "leaderboard"),
    "functions.predict": ("predict",),
    "functions.pull": ("pull",),
    "functions.robust": ("robust",),
    "functions.run": ("run",),
    "functions.score": ("score",),
    "functions.serve": ("serve",),
    "functions.supersede": ("supersede",),
    "functions.show": ("show",),
    "functions.transfer": ("transfer",),
    "functions.tune": ("tune",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'merbench' has no attribute {name!r}")
    return getattr(import_module(f"merbench.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
