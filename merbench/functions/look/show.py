"""``merbench.show``: what a model is made of, and what it would read on a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merbench.bench.python_function import python_function
from merbench.bench.python_session import catalog, homes
from merbench.functions.look.setting_descriptions import meanings

if TYPE_CHECKING:
    import pandas as pd

    from merbench.api.declarations.config import Config
    from merbench.api.declarations.recipe import Recipe
    from merbench.engine.plan.plan import Plan
    from merbench.host.catalog import Catalog


@dataclass(frozen=True)
class Setting:
    """``name``: as ``--set`` takes it. ``range``: what ``tune`` searches, in words; empty where it
    is not searched. ``allowed``: what ``--set`` takes, in words; empty where any value of its type
    is.
    """

    name: str
    default: Any
    range: str = ""
    meaning: str = ""
    allowed: str = ""


@dataclass(frozen=True)
class Shown:
    """``parts``: slot -> (component, summary). ``reads``: modality -> the stream that it would read
    on ``dataset``. ``ablations``: name -> summary. ``paper``, ``code``, ``licence``: as in
    ``Recipe``.
    """

    name: str
    summary: str
    plugin: str
    dataset: str
    parts: dict[str, tuple[str, str]]
    reads: dict[str, str]
    settings: list[Setting]
    ablations: dict[str, str]
    caveat: str = ""
    paper: str = ""
    code: str = ""
    licence: str = ""
    notes: list[str] = field(default_factory=list)

    def to_pandas(self) -> pd.DataFrame:
        """The settings, one a row: name, default, range, meaning, allowed."""
        import pandas as pd

        return pd.DataFrame([vars(setting) for setting in self.settings])


@python_function
def show(
    model: str,
    dataset: str | None = None,
    data: str | Path | None = None,
    text_tower: str = "",
    task: str | None = None,
) -> Shown:
    """Parts, settings with their defaults, ranges and meaning, ablations, and what ``model`` would
    read on ``dataset`` (None = the control set), with ``text_tower`` and ``task`` as in ``run``.
    RequestError where there is no such model, or it is not for that data set or task.
    """
    from merbench.data.word_vector_files import open_lexicon
    from merbench.engine.plan.datasets import open_dataset

    homes_searched = homes(data)
    require_model(catalog(), model, homes_searched)
    corpus = open_dataset(catalog(), dataset or "sample", homes_searched)
    lexicon = None if corpus.lexicon else open_lexicon((), homes_searched)
    return shown(catalog(), model, corpus, lexicon, text_tower, task)


def require_model(catalog: Catalog, name: str, homes: Sequence[Path]) -> None:
    """RequestError for a name that is no model; of a data set it says which command shows it."""
    from merbench.api.errors import RequestError
    from merbench.data.home import find_folder

    if name in catalog.names("recipe"):
        return
    if name in catalog.names("dataset") or find_folder(name, homes):
        raise RequestError(
            f"{name} is a data set, not a model; merbench data show {name} describes it"
        )
    catalog.recipe(name)


def shown(
    catalog: Catalog,
    model: str,
    corpus: Any,
    lexicon: Any,
    text_tower: str = "",
    task: str | None = None,
) -> Shown:
    from merbench.engine.plan.plan import Request
    from merbench.engine.resolve import resolve

    recipe = catalog.recipe(model)
    request = Request(model, task=task, text_tower=text_tower)
    plan = resolve(request, catalog, corpus, lexicon)
    provider = catalog.providers("recipe", model)[0]
    return Shown(
        name=recipe.name,
        summary=recipe.summary,
        plugin=f"{provider.distribution} {provider.version}",
        dataset=corpus.name,
        parts={
            slot: (part.component.name, part.component.summary) for slot, part in plan.parts.items()
        },
        reads={m: f"{s.name} ({_form(s)})" for m, s in plan.streams.items()},
        settings=_settings(recipe, plan),
        ablations={a.name: a.summary for a in recipe.ablations},
        caveat=recipe.caveat,
        paper=recipe.paper,
        code=recipe.code,
        licence=recipe.licence,
        notes=list(plan.notes),
    )


def _settings(recipe: Recipe, plan: Plan) -> list[Setting]:
    configs = {slot: part.config for slot, part in plan.parts.items()}
    if not recipe.closed_form:
        configs["train"] = plan.train
    rows = []
    for slot, config in configs.items():
        tunable, meaning = type(config).tunable(), meanings(type(config))
        allowed = _allowed(type(config))
        for name in type(config).model_fields:
            keys = (f"{slot}.{name}", f"{slot.partition('.')[0]}.{name}")
            tune = tunable.get(name)
            for key in reversed(keys):
                tune = recipe.search.get(key, tune)
            value = config.model_dump(mode="json")[name]
            rows.append(Setting(keys[0], value, _range(tune), meaning[name], allowed.get(name, "")))
    return rows


def _range(tune: Any) -> str:
    if tune is None:
        return ""
    if tune.choices:
        return " | ".join(map(str, tune.choices))
    return f"{tune.low:g} to {tune.high:g}{', log' if tune.log else ''}"


def _allowed(config: type[Config]) -> dict[str, str]:
    """Field -> ``one of adam, sgd`` or ``at least 0, below 1``, of its JSON schema."""
    schema = config.model_json_schema()["properties"]
    limits = {
        "minimum": "at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
    }
    allowed = {}
    for name, facts in schema.items():
        if "enum" in facts:
            allowed[name] = f"one of {', '.join(map(str, facts['enum']))}"
        else:
            ends = (f"{word} {facts[limit]:g}" for limit, word in limits.items() if limit in facts)
            allowed[name] = ", ".join(ends)
    return allowed


def _form(stream: Any) -> str:
    return f"{stream.kind}, width {stream.spec.width}" if stream.spec.width else str(stream.kind)
