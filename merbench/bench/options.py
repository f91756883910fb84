"""What a function of the Python API, or a command, is asked for: the same names and meanings, one
definition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from merbench.api.errors import RequestError
from merbench.api.events import Watch
from merbench.bench.keywords import checked_keywords

if TYPE_CHECKING:
    from merbench.engine.plan.plan import Request
    from merbench.runs.machine import Determinism

PARTS = ("fusion", "head", "label_encoder", "objective")


class RunKeywords(TypedDict, total=False):
    """Keywords of every function that makes runs; each is the option of that name of ``merbench
    run``, and its default is the option's.
    """

    task: str | None
    """What is predicted, such as ``"sentiment"``; None = the data set's first."""
    protocol: str | None
    """How rows are split, such as ``"standard"`` or ``"folds"``."""
    seeds: int | Sequence[int]
    """``3`` is seeds 0 to 2; a list names them."""
    parts: Mapping[str, str | None]
    """``{"fusion": "tfn"}``: another part; None = none."""
    settings: Mapping[str, Any]
    """``{"train.lr": 1e-3, "fusion.heads": 4}``: as ``--set``."""
    encoders: Mapping[str, str]
    """``{"text": "clip-text"}``: another encoder for a modality."""
    streams: Mapping[str, str]
    """``{"audio": "audio.covarep"}``: another stream for a modality."""
    modalities: Sequence[str] | None
    """Only these."""
    ablations: Sequence[str]
    """Declared ablations, such as ``["no-label-encoder"]``."""
    text_tower: str
    """A model that reads the transcripts."""
    epochs: int | None
    """At most so many epochs."""
    thresholds: str
    """Of labels: ``"fixed:0.5"``, ``"tuned_on_valid"``, ``"tuned_on_valid_per_label"``."""
    labels: str
    """Hide train labels, by seed: ``"keep:0.3"``, ``"single-positive"``, ``"shots:fear=5"``."""
    missing: Mapping[str, float | str]
    """``{"audio": 0.5, "any": "0.1:0.9"}``: train rows lack a modality at this rate, by seed."""
    allow_leak: bool
    """Accept, and mark permanently, streams or initial weights fitted on evaluated rows."""
    init_from: str | None
    """Start from the weights of this run, each seed from its own."""
    force: bool
    """Run again what the store holds already."""
    weights: bool
    """Keep the trained weights in the store."""
    device: Literal["auto", "cpu", "cuda"]
    threads: int | None
    """CPU threads of torch; None = at most 4."""
    jobs: int
    """Number of runs side by side; they share the data."""
    determinism: Literal["prefer", "strict", "off"]
    data: str | Path | None
    """Where data sets lie; None = ``MERBENCH_DATA`` and the usual places."""
    vectors: Sequence[str]
    """Word vectors by name or file; none = all in ``DATA/vectors``."""
    store: str | Path
    """Where records go."""
    log: Mapping[str, str]
    """``{"tensorboard": "FOLDER"}``: loggers, and where each writes."""
    progress: bool
    """Show progress, on stderr or in the notebook."""
    watch: Watch | None
    """Called with the events of ``merbench.api.events``."""


@dataclass(frozen=True)
class RunOptions:
    """What runs are asked for, checked."""

    model: str
    dataset: str | None
    request: Request
    seeds: tuple[int, ...]
    init_from: str | None = None
    device: str = "auto"
    threads: int | None = None
    jobs: int = 1
    determinism: Determinism = "prefer"
    data: Path | None = None
    vectors: tuple[str, ...] = ()
    store: Path = Path("runs")
    force: bool = False
    weights: bool = True
    log: Mapping[str, str] = field(default_factory=dict)
    as_json: bool = False

    @property
    def models(self) -> tuple[str, ...]:
        """``--model A,B`` of the commands that take several."""
        return tuple(name.strip() for name in self.model.split(","))


@dataclass(frozen=True)
class Wording:
    """How a user writes what is asked for, for sentences about it: with ``key`` and ``value``."""

    part: str
    encoder: str
    epochs: str
    settings: str
    value: Callable[[object], str]

    def write(self, form: str, key: str, value: object) -> str:
        return form.format(key=key, value=self.value(value))


KEYWORDS = Wording(
    part="parts={{{key!r}: {value}}}",
    encoder="encoders={{{key!r}: {value}}}",
    epochs="epochs={value}",
    settings="settings",
    value=repr,
)


def options_of(
    function: str, model: str, dataset: str | None, keywords: Mapping[str, Any]
) -> RunOptions:
    """RequestError, one sentence with the keyword's name, for what is not known or does not fit.
    ``function``: its name, for that sentence.
    """
    from merbench.engine.rows.missing import written

    checked = checked_keywords(function, {"model": model, "dataset": dataset, **keywords})
    seeds = checked.get("seeds", 3)
    return build_options(
        {
            **checked,
            "seeds": tuple(range(seeds)) if isinstance(seeds, int) else seeds,
            "missing": written(checked.get("missing", {})),
        },
        KEYWORDS,
    )


def build_options(keywords: Mapping[str, Any], wording: Wording) -> RunOptions:
    """RunOptions of keywords whose types are right; ``missing`` is text here, and ``seeds`` are
    all of them. RequestError for a part that is none.
    """
    from merbench.engine.plan.datasets import with_settings
    from merbench.engine.plan.plan import Request

    settings, typed_as = _settings(keywords, wording)
    dataset, settings = with_settings(keywords["dataset"], settings)
    modalities = keywords.get("modalities")
    of_request = ("thresholds", "allow_leak", "text_tower", "labels", "missing")
    request = Request(
        model=keywords["model"],
        task=keywords.get("task"),
        protocol=keywords.get("protocol"),
        settings=settings,
        streams=keywords.get("streams", {}),
        modalities=None if modalities is None else tuple(modalities),
        ablations=tuple(dict.fromkeys(keywords.get("ablations", ()))),
        options=typed_as,
        **{name: keywords[name] for name in of_request if name in keywords},
    )
    of_run = (
        "init_from", "device", "threads", "jobs", "determinism", "force", "weights", "log",
        "as_json",
    )  # fmt: skip
    return RunOptions(
        model=keywords["model"],
        dataset=dataset,
        request=request,
        seeds=tuple(dict.fromkeys(keywords["seeds"])),
        data=None if keywords.get("data") is None else Path(keywords["data"]),
        vectors=tuple(keywords.get("vectors", ())),
        store=Path(keywords.get("store", "runs")),
        **{name: keywords[name] for name in of_run if name in keywords},
    )


def _settings(
    keywords: Mapping[str, Any], wording: Wording
) -> tuple[dict[str, Any], dict[str, str]]:
    """Parts, encoders, settings and epochs as settings, and what the user wrote for each.
    RequestError where two of them say two things.
    """
    settings: dict[str, Any] = {}
    typed_as: dict[str, str] = {}

    def take(key: str, value: Any, typed: str) -> None:
        if key in settings and settings[key] != value:
            raise RequestError(
                f"{key} is {settings[key]} by {typed_as[key]} and {value} by {typed}; "
                "leave one of the two out"
            )
        settings[key], typed_as[key] = value, typed

    for slot, name in keywords.get("parts", {}).items():
        typed = wording.write(wording.part, slot, name)
        if slot not in PARTS:
            form = wording.encoder.format(key="MODALITY", value="NAME")
            raise RequestError(
                f"{typed}: a part is one of {', '.join(PARTS)}; encoders are named with {form}"
            )
        take(slot, name, typed)
    for modality, name in keywords.get("encoders", {}).items():
        take(f"encoder.{modality}", name, wording.write(wording.encoder, modality, name))
    for key, value in keywords.get("settings", {}).items():
        take(key, value, wording.settings)
    if epochs := keywords.get("epochs"):
        take("train.epochs", epochs, wording.write(wording.epochs, "", epochs))
    return settings, typed_as
