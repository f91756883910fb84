"""The checks that apply to a part, by its kind."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from merbench.api import Component
from merbench.api.declarations.component import LANGUAGE_MODEL
from merbench.host.catalog import Catalog
from merbench.testing.parts import (
    dataset,
    encoder,
    fusion,
    head,
    label_encoder,
    language_model,
    logger,
    objective,
    view,
)
from merbench.testing.parts.factory import defaults_lie_in_ranges
from merbench.testing.parts.rowwise import ROWWISE
from merbench.testing.parts.state import state_round_trips
from merbench.testing.verdict import Bodies


def checks(catalog: Catalog, component: Component) -> Bodies:
    """The checks that apply to a component of this kind."""
    if component.kind == "dataset":
        return {"loads a sound corpus": partial(dataset.loads_a_sound_corpus, catalog, component)}
    if component.kind == "logger":  # the one kind without settings
        return {"made of a place": partial(logger.made_of_a_place, catalog, component)}
    bodies: dict[str, Callable[[], None]] = {
        "defaults lie in their Tune ranges": partial(defaults_lie_in_ranges, catalog, component)
    }
    if component.kind == "encoder" and LANGUAGE_MODEL in component.provides:
        bodies["language model"] = partial(language_model.of_an_encoder, catalog, component)
    for name, body in _OF_KIND.get(component.kind, {}).items():
        bodies[name] = partial(body, catalog, component)
    return bodies


_OF_KIND: dict[str, dict[str, Callable[[Catalog, Component], None]]] = {
    "encoder": {
        "keeps what can be kept": encoder.keeps_what_can_be_kept,
        "declared width": encoder.declared_width,
        **{name: partial(encoder.is_rowwise, check) for name, check in ROWWISE.items()},
        "gradient reaches every parameter": encoder.gradient_reaches_all,
        "state round-trips": partial(state_round_trips, encoder.tiny_encoder),
    },
    "label-encoder": {
        "declared width": label_encoder.declared_width,
        "another label space": label_encoder.another_label_space,
        "state round-trips": partial(state_round_trips, label_encoder.tiny_label_encoder),
    },
    "fusion": {
        "declared width": fusion.declared_width,
        **{name: partial(fusion.is_rowwise, check) for name, check in ROWWISE.items()},
        "gradient reaches every parameter": fusion.gradient_reaches_all,
        "state round-trips": partial(state_round_trips, fusion.tiny_fusions),
    },
    "objective": {"terms of the loss": objective.terms_of_the_loss},
    "view": {
        "drawn from its generator": view.is_seeded,
        "padding invariance": view.is_blind_to_padding,
    },
    "head": {
        "logits": head.logits_fit_the_task,
        "gradient reaches every parameter": head.gradient_reaches_all,
        "state round-trips": partial(state_round_trips, head.tiny_heads),
    },
}
