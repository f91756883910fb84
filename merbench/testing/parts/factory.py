"""A part's factory with its settings, whether these lie in their search ranges, and the context in
which it is checked.
"""

from __future__ import annotations

from typing import Any

from merbench.api import Component, Config, Context
from merbench.host.catalog import Catalog
from merbench.testing import tiny
from merbench.testing.verdict import Skip


def default_factory(catalog: Catalog, component: Component) -> tuple[Any, Config]:
    """The implementation and its default settings."""
    factory = catalog.load(component)
    kind = getattr(factory, "Config", None)
    assert isinstance(kind, type) and issubclass(kind, Config), (
        f"{component.target} has no class attribute Config that is a merbench.api.Config"
    )
    return factory, kind()


def checked_factory(catalog: Catalog, component: Component) -> tuple[Any, Config]:
    """The implementation and the settings with which it is checked: the default ones, and of a part
    that starts from pretrained weights its own ``tiny()``. Skip where it has none.
    """
    factory, config = default_factory(catalog, component)
    if "weights" not in component.pretrained:
        return factory, config
    if not hasattr(factory, "tiny"):
        raise Skip(
            "starts from pretrained weights; it is checked with those of a static method tiny(), "
            "which returns a Config of a few random weights"
        )
    return factory, factory.tiny()


def fitting_context(component: Component, **streams: Any) -> Context:
    """A tiny context of the first kind of task that the component is for; ``streams``: as
    ``tiny.context`` takes them.
    """
    return tiny.context(component.spaces[0] if component.spaces else "score", **streams)


def defaults_lie_in_ranges(catalog: Catalog, component: Component) -> None:
    _, config = default_factory(catalog, component)
    for name, tune in type(config).tunable().items():
        value = getattr(config, name)
        assert tune.holds(value), (
            f"{component.name}.{name}: the default {value!r} lies outside its search range {tune}"
        )
        assert tune.where is None or tune.where[0] in type(config).model_fields, (
            f"{component.name}.{name}: its range is for a value of {tune.where[0]!r}, "
            "which is no field of the same config"
        )
