"""STUDY.toml: which models, on which tracks, with which seeds. Names are looked up, and settings
checked, when the study is laid out.

In full::

    seeds = 10                            # 0 to 9; or a list of seeds
    ablations = "all"                     # of every model: all that it declares, "all-subsets" of
                                          # the modalities, or a list of names; the default is none
    floors = true                         # the default: every floor that can read a track is run
                                          # there, with one seed where all give the same
    settings.train.epochs = 30            # of every model; as --set train.epochs=30
    vectors = ["glove"]                   # as --vectors; the default is all in DATA/vectors
    thresholds = "fixed:0.5"              # as --thresholds, where a track has labels
    models = [                            # a model may have settings, modalities and ablations
        "tfn",
        { name = "merclip", settings.train.lr = 5e-4, modalities = ["text", "audio"] },
    ]

    [tune]                                # search the settings of every model but floors first, on
                                          # train and valid
    trials = 30
    budget_seconds = 3600
    sampler = "tpe"                       # as --sampler, --pruner, --seeds-per-trial and --storage
    pruner = "median"                     # of merbench tune
    seeds_per_trial = 1
    storage = "postgresql://user@host/db"
    defaults = false                      # run the models with their default settings too
    ablations = false                     # search each ablation too; else they have what the search
                                          # of their model found

    [[tracks]]
    dataset = "mosi"                      # a track needs no more than this; with a setting of the
                                          # data set's own, "sample:train=200"
    task = "sentiment"
    protocol = "standard"
    streams = { audio = "audio.covarep" }
    modalities = ["text", "audio"]
    text_tower = ""                       # as --text-tower
    labels = ""                           # as --labels, such as "keep:0.3"
    missing = { audio = 0.5 }             # as --missing; a range is text, any = "0.1:0.9"
    allow_leak = false
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, ValidationError

from merbench.api import Config, DataError, Modality, TrainConfig
from merbench.api.did_you_mean import did_you_mean
from merbench.api.what_fits import what_fits
from merbench.data.folder.toml_section import read_toml
from merbench.engine.plan.settings_as_tables import flattened
from merbench.results.seeds import FIRST_TUNING_SEED, MOST_SEEDS


def _ablations(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _settings(value: Any) -> Any:
    settings = flattened(value) if isinstance(value, dict) else value
    if isinstance(settings, dict):
        for name in settings:
            if name.startswith("dataset."):
                field = name.removeprefix("dataset.")
                raise ValueError(
                    f"{name} is a setting of a data set and stands in its name, such as "
                    f'dataset = "sample:{field}={settings[name]}" of [[tracks]]'
                )
    return settings


def _seeds(value: Any) -> Any:
    """``10`` is 0 to 9."""
    if isinstance(value, list):
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("write a number of seeds (10 is 0 to 9), or a list of seeds")
    if not 1 <= value <= MOST_SEEDS:
        raise ValueError(f"a number of seeds is 1 to {MOST_SEEDS}; a list names any")
    return list(range(value))


def _rate(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError('give a rate such as 0.5, or a range of them such as "0.1:0.9"')
    return value


def _each_once(seeds: list[int]) -> list[int]:
    return list(dict.fromkeys(seeds))


Ablations = Annotated[list[str], BeforeValidator(_ablations)]
Settings = Annotated[dict[str, JsonValue], BeforeValidator(_settings)]
Modalities = Annotated[tuple[Modality, ...], Field(min_length=1)]
Rate = Annotated[float | str, BeforeValidator(_rate)]
Flag = Annotated[bool, Field(strict=True)]
Seed = Annotated[int, Field(ge=0, lt=FIRST_TUNING_SEED, strict=True)]


class Model(Config):
    """A model by name. ``settings`` go before those of the study; ``ablations`` replace them."""

    name: str
    settings: Settings = {}
    ablations: Ablations | None = None
    modalities: Modalities | None = None


class Track(Config):
    """What the runs are allowed to see. None = the data set's default."""

    dataset: str
    task: str | None = None
    protocol: str | None = None
    streams: dict[Modality, str] = {}
    modalities: Modalities | None = None
    text_tower: str = ""
    labels: str = ""
    missing: dict[str, Rate] = {}
    allow_leak: Flag = False


class Tuning(Config):
    """The search, the same for every model. ``defaults``: the untuned models are run too.
    ``ablations``: each has a search of its own.
    """

    trials: Annotated[int, Field(ge=1, strict=True)] = 30
    budget_seconds: Annotated[float, Field(gt=0, strict=True, allow_inf_nan=False)] | None = None
    sampler: Literal["tpe", "random", "gp", "cmaes"] = "tpe"
    pruner: Literal["median", "hyperband", "none"] = "median"
    seeds_per_trial: Annotated[int, Field(ge=1, le=MOST_SEEDS, strict=True)] = 1
    storage: str | None = None
    defaults: Flag = False
    ablations: Flag = False


class StudyFile(Config):
    """A validated STUDY.toml."""

    models: Annotated[
        list[Annotated[Model, BeforeValidator(lambda v: {"name": v} if isinstance(v, str) else v)]],
        Field(min_length=1),
    ]
    tracks: Annotated[list[Track], Field(min_length=1)]
    seeds: Annotated[
        list[Seed], Field(min_length=1), BeforeValidator(_seeds), AfterValidator(_each_once)
    ] = list(range(10))
    settings: Settings = {}
    ablations: Ablations = []
    floors: Flag = True
    tune: Tuning | None = None
    vectors: list[str] = []
    thresholds: str = "fixed:0.5"


def read_study(path: Path) -> StudyFile:
    """DataError, one sentence naming the key and the fix."""
    if not path.is_file():
        raise DataError(
            f"{path} is not a file; a study is described by a STUDY.toml with models = [...] "
            "and [[tracks]]"
        )
    table = read_toml(path, "name a STUDY.toml that is there")
    try:
        return StudyFile.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        where = _where(first["loc"])
        if first["type"] == "extra_forbidden":
            key = str(first["loc"][-1])
            advice = did_you_mean(key, _fields(first["loc"]))
            if key in TrainConfig.model_fields:
                advice = f"it is settings.train.{key}"
            sentence = f"unknown key {where!r}; {advice}"
        elif first["type"] == "missing":
            sentence = (
                f"the key {where!r} is missing; {_MISSING.get(str(first['loc'][-1]), 'write it')}"
            )
        else:
            sentence = f"{where} does not fit: {what_fits(first)}"
        raise DataError(f"{path}: {sentence}") from None


_MISSING = {
    "models": 'write models = ["tfn", "merclip"]',
    "tracks": 'write [[tracks]] and below it dataset = "mosi"',
    "dataset": 'write dataset = "mosi"',
    "name": 'write { name = "tfn" }',
}


def _where(loc: tuple[int | str, ...]) -> str:
    """``("models", 0, "name")`` -> ``models[1].name``: people count from one."""
    names = [part for part in loc if part != "[key]"]  # pydantic's, of a key that does not fit
    return "".join(f"[{p + 1}]" if isinstance(p, int) else f".{p}" for p in names).lstrip(".")


def _fields(loc: tuple[int | str, ...]) -> list[str]:
    """The keys that are known where an unknown one was found."""
    kind: type[Config] = StudyFile
    for part in loc[:-1]:
        if part in kind.model_fields:
            kind = _config(kind.model_fields[str(part)].annotation) or kind
    return list(kind.model_fields)


def _config(annotation: Any) -> type[Config] | None:
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return annotation
    inner = (_config(argument) for argument in get_args(annotation))
    return next((config for config in inner if config), None)
