"""Packages are named where a run used them."""

import sys
from types import ModuleType

from merbench.results.records import provenance


def test_packages_are_named_where_they_were_loaded(monkeypatch):
    monkeypatch.setattr(provenance, "_installed", lambda package: f"{package} 1")
    for module in provenance.WHERE_USED.values():
        monkeypatch.delitem(sys.modules, module, raising=False)
    assert set(provenance.packages()) == set(provenance.PACKAGES)
    monkeypatch.setitem(sys.modules, "PIL", ModuleType("PIL"))
    assert provenance.packages()["pillow"] == "pillow 1"
    assert "av" not in provenance.packages()
