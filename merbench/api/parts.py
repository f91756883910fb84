"""The interfaces of parts. Factories are classes; what the harness calls them with is the signature
of ``__init__`` here.

Every part is a ``torch.nn.Module`` (whose ``forward`` is the ``__call__`` below) unless it says
otherwise. Every factory has a class attribute ``Config``, a subclass of ``merbench.api.Config``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from merbench.api.declarations.config import Config
from merbench.api.material.types import (
    Batch,
    Context,
    Fused,
    LabelSpace,
    Modality,
    Output,
    Progress,
    Queries,
    Steps,
    StreamSpec,
    Tokens,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from torch import Generator, Tensor

    from merbench.api.events import Event
    from merbench.api.material.corpus import Corpus
    from merbench.api.material.rows import Rows

T = TypeVar("T")


class Prepared(Protocol):
    """A split's inputs of one modality, indexable by rows: ``prepared[rows_B] -> `` what the
    encoder is called with.

    Rows of like length go through a frozen encoder together where ``prepared`` has ``length_N``
    (steps of each row), or ``decode(row)`` (a clip's values, or None) and ``make(list of them)``.
    """

    def __len__(self) -> int: ...
    def __getitem__(self, rows_B: Tensor) -> Any: ...


class Encoder(Protocol):
    """One modality's stream -> Steps. ``width`` is D of what it returns; ``frozen``: it has no
    trained parameter.

    ``measured``: numbers that ``prepare()`` counted on the split it was last given (``{"oov_rate":
    0.12}``); those of the train split go into the record.

    ``language_model`` (may be missing): a ``merbench.api.LanguageModel`` for the parts after it.

    ``steps_at_once`` (may be missing): how many steps, padding included, go through a frozen
    encoder together when its output is cached; a row is never cut.

    ``packages`` (of the class; may be missing): distributions whose versions may change what a
    frozen encoder returns. They stand beside its cached output, and another version is reported.

    ``weights_prefix`` (of the class; may be missing): how the names of its pretrained parameters
    begin. They learn at a twentieth of ``train.lr`` where a user sets ``tuned``.
    """

    width: int
    frozen: bool
    measured: dict[str, float]

    def __init__(self, config: Config, context: Context, stream: StreamSpec) -> None: ...

    def prepare(self, rows: Rows) -> Prepared:
        """Called once a split, before training. ``rows`` is indexable already; an encoder that
        needs nothing returns it.
        """
        ...

    def __call__(self, inputs: Any) -> Steps: ...


class LabelEncoder(Protocol):
    """The label words -> queries. ``width`` is their D. Called without a space it reads the run's
    own; another space: generalisation.

    ``widths`` (may be missing): D_m of what is in ``Queries.by_modality``, by modality.
    """

    width: int

    def __init__(self, config: Config, context: Context) -> None: ...
    def __call__(self, space: LabelSpace | None = None) -> Queries: ...


class Fusion(Protocol):
    """Steps per modality (and queries) -> Fused. Any subset of modalities; a row may lack any of
    them.

    ``widths``: D of each modality of the run, in the order text, audio, video. ``width``: D of what
    it returns. ``query_width``: D of the label encoder's queries, None where the run has none
    (``context.query_widths``: of a modality's own).

    A fusion whose call has a parameter ``tokens`` is given the text's Tokens there, step for step
    those of ``parts["text"]``, or None where its encoder makes none (each step is a word).
    """

    width: int

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None: ...
    def __call__(
        self, parts: Mapping[Modality, Steps], queries: Queries | None = None
    ) -> Fused: ...


class Head(Protocol):
    """Fused (and queries) -> logits [B, C], or ``(logits, aux)``; C as in ``Output``.

    Two optional methods, each given the model's whole ``Output``: ``read_out(out)`` ->
    predictions (score [B]; class and multilabel [B, C]; joint [B, 1 + C]) in place of
    ``merbench.api.read_out``, and ``loss(out, batch)`` -> named terms in place of ``task_loss`` in
    objective ``task``. With both, its logits may have any number of columns. A whole model may
    bring them too.
    """

    def __init__(
        self, config: Config, context: Context, width: int, query_width: int | None
    ) -> None: ...
    def __call__(
        self, fused: Fused, queries: Queries | None = None
    ) -> Tensor | tuple[Tensor, Mapping[str, Tensor]]: ...


class Model(Protocol):
    """All that the training loop knows. A whole model is given the run's encoders and calls them
    itself.

    ``widths``: D by name, for objectives that own layers: ``text``, ``audio``, ``video`` (the
    encoders'), and of a composed model ``fused``, ``queries``, and what its fusion or head has in a
    ``widths`` of its own (``{"common": 64}`` for an aux of that name).
    """

    widths: Mapping[str, int]
    teacher: Model | None
    """While it is trained with ``train.ema``: the moving average of its weights, in evaluation
    mode, sharing what is frozen; call it under ``torch.no_grad()``."""

    def __init__(
        self, config: Config, context: Context, encoders: Mapping[Modality, Encoder]
    ) -> None: ...
    def __call__(self, batch: Batch) -> Output: ...


class ComposedModel(Model, Protocol):
    """What the harness makes of four parts; an objective that ``needs`` ``"composed"`` is sure of
    one.

    ``decode`` takes what ``encode`` made, or any other Steps of the same widths (a view, a switched
    sequence); ``space``: other label words than the run's own, where the label encoder can read
    them; ``tokens``: for a fusion that reads them.
    """

    encoders: Mapping[Modality, Encoder]
    label_encoder: LabelEncoder | None
    fusion: Fusion
    head: Head

    def encode(self, batch: Batch) -> dict[Modality, Steps]: ...
    def decode(
        self,
        steps: Mapping[Modality, Steps],
        space: LabelSpace | None = None,
        tokens: Tokens | None = None,
    ) -> Output: ...


def own_method(model: Any, name: str) -> Callable[..., Any] | None:
    """``read_out`` or ``loss`` of a model's head, or of a whole model; None where neither brings
    one.
    """
    for owner in (getattr(model, "head", None), model):
        method: Callable[..., Any] | None = getattr(owner, name, None)
        if method is not None:
            return method
    return None


class SplitView(Protocol):
    """Rows of one split as a closed-form model sees them."""

    def __len__(self) -> int: ...
    def batches(self, size: int = 256) -> Iterator[Batch]: ...


class FittedModel(Model, Protocol):
    """A model of a recipe with ``closed_form=True``: it is fitted once, from train and valid, in
    evaluation mode, and must keep what it learned in buffers.
    """

    def fit(self, train: SplitView, valid: SplitView) -> None: ...


class Objective(Protocol):
    """Outputs -> named loss terms, which the loop adds up. It may own parameters and buffers (what
    it keeps in anything else is lost when a run is resumed), and may call the model again.

    Two methods that it may bring, both called without gradients. Seeds cannot be stacked with
    either.
    """

    def __init__(self, config: Config, context: Context, model: Model) -> None: ...
    def __call__(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]: ...
    def after_batch(self, model: Model, batch: Batch, out: Output, at: Progress) -> None:
        """Called once for every batch, after its backward pass: per-sample state, prototypes,
        queues. With it a batch that memory does not hold cannot be cut into pieces.
        """
        ...

    def after_step(self, model: Model, at: Progress) -> None:
        """Called after each optimiser step (of ``train.accumulate`` batches): what follows weights,
        such as their moving averages.
        """
        ...


class ViewTransform(Protocol):
    """A change of encoded modalities, of kind ``view``. Not a Module.

    All that is random comes from ``draw``, a generator on the device of the steps. Shapes stay; a
    step that is masked stays masked (a crop masks more). Content of masked steps is arbitrary.
    """

    def __init__(self, config: Config, context: Context) -> None: ...
    def __call__(
        self, steps: Mapping[Modality, Steps], draw: Generator
    ) -> Mapping[Modality, Steps]: ...


class Dataset(Protocol):
    """The factory of a data set that is made, not read from a folder. Not a Module. ``Config``:
    what ``--set dataset.KEY=VALUE`` may set.

    A data set that wraps another has ``load(self, open_dataset)``: ``open_dataset("mosi")`` gives
    the Corpus of that name.
    """

    def __init__(self, config: Config) -> None: ...
    def load(self) -> Corpus: ...


class Executor(Protocol):
    """Where the runs of a study are made. Not a Module. ``jobs``: runs at once. ``folder``: the
    store, for files of the executor's own.
    """

    def __init__(self, config: Config, jobs: int, folder: Path) -> None: ...
    def __call__(
        self, work: Callable[[T], object], tasks: Sequence[T]
    ) -> Iterator[tuple[T, str | None] | None]:
        """``work(task)`` for each task, once, in a process that may die without harm to others.
        Both can be pickled (cloudpickle).

        Yields ``(task, None)`` when the call has returned, ``(task, sentence)`` when it raised or
        its process died, in any order, and None now and then (at least every few seconds), so that
        the caller can draw. RequestError where the executor cannot work here.
        """
        ...


class Logger(Protocol):
    """``factory(where)``: ``where`` is what stands after the name in ``--log NAME=WHERE``, such as
    a folder. RequestError in it where a library is not installed; what it raises later ends the
    log, and not the run.
    """

    def __call__(self, event: Event) -> None:
        """Called with everything that happens to runs (``merbench.api.events``), those that train
        side by side in turn.
        """

    def close(self) -> None:
        """The runs of one model have ended, or were interrupted; those of others may start."""
