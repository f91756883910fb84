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

from merbench.version import VERSION

__version__ = VERSION

if TYPE_CHECKING:
    from merbench.api.errors import DataError as DataError
    from merbench.api.errors import MerbenchError as MerbenchError
    from merbench.api.errors import RequestError as RequestError
    from merbench.api.errors import RunError as RunError
    from merbench.functions.ask.ensemble import ensemble as ensemble
    from merbench.functions.ask.generalise import generalise as generalise
    from merbench.functions.ask.predict import predict as predict
    from merbench.functions.ask.robust import robust as robust
    from merbench.functions.ask.transfer import transfer as transfer
    from merbench.functions.look.audit import audit as audit
    from merbench.functions.look.catalogue import list_datasets as list_datasets
    from merbench.functions.look.catalogue import list_models as list_models
    from merbench.functions.look.catalogue import list_parts as list_parts
    from merbench.functions.look.catalogue import load_dataset as load_dataset
    from merbench.functions.look.export import export as export
    from merbench.functions.look.leaderboard import compare as compare
    from merbench.functions.look.leaderboard import leaderboard as leaderboard
    from merbench.functions.look.pull import pull as pull
    from merbench.functions.look.serve import serve as serve
    from merbench.functions.look.show import show as show
    from merbench.functions.look.supersede import supersede as supersede
    from merbench.functions.measure.ablate import ablate as ablate
    from merbench.functions.measure.ask import ask as ask
    from merbench.functions.measure.encode import encode as encode
    from merbench.functions.measure.run import run as run
    from merbench.functions.measure.score import score as score
    from merbench.functions.measure.study import study_run as study_run
    from merbench.functions.measure.study import study_status as study_status
    from merbench.functions.measure.tune import tune as tune

_HOME = {
    "api.errors": ("DataError", "MerbenchError", "RequestError", "RunError"),
    "functions.measure.ablate": ("ablate",),
    "functions.measure.ask": ("ask",),
    "functions.look.audit": ("audit",),
    "functions.look.catalogue": ("list_datasets", "list_models", "list_parts", "load_dataset"),
    "functions.measure.encode": ("encode",),
    "functions.ask.ensemble": ("ensemble",),
    "functions.look.export": ("export",),
    "functions.ask.generalise": ("generalise",),
    "functions.look.leaderboard": ("compare", "leaderboard"),
    "functions.ask.predict": ("predict",),
    "functions.look.pull": ("pull",),
    "functions.ask.robust": ("robust",),
    "functions.measure.run": ("run",),
    "functions.measure.score": ("score",),
    "functions.look.serve": ("serve",),
    "functions.look.supersede": ("supersede",),
    "functions.look.show": ("show",),
    "functions.ask.transfer": ("transfer",),
    "functions.measure.study": ("study_run", "study_status"),
    "functions.measure.tune": ("tune",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'merbench' has no attribute {name!r}")
    return getattr(import_module(f"merbench.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
