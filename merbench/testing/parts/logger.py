"""The check of loggers."""

from __future__ import annotations

import inspect

from merbench.api import Component
from merbench.host.catalog import Catalog


def made_of_a_place(catalog: Catalog, component: Component) -> None:
    """It can be called as ``factory(where)``. What it writes its own package tests."""
    factory = catalog.load(component)
    assert callable(factory), f"{component.target} is no factory, which is called with where"
    try:
        inspect.signature(factory).bind("where")
    except TypeError as error:
        raise AssertionError(f"{component.target} is called as factory(where): {error}") from None
