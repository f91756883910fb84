"""Packages are named where a run used them, and versions sorted by their numbers."""

import sys
from types import ModuleType

from merbench.results.records import provenance


def test_packages_are_named_where_they_were_loaded(monkeypatch):
    monkeypatch.setattr(provenance, "installed", lambda package: f"{package} 1")
    for module in provenance.WHERE_USED.values():
        monkeypatch.delitem(sys.modules, module, raising=False)
    assert set(provenance.packages()) == set(provenance.PACKAGES)
    monkeypatch.setitem(sys.modules, "PIL", ModuleType("PIL"))
    assert provenance.packages()["pillow"] == "pillow 1"
    assert "av" not in provenance.packages()


def test_versions_are_sorted_by_their_numbers():
    expected = ["unknown", "0.2", "0.9.1", "0.10.0", "1.0.dev1", "1.0rc1", "1.0", "10.0"]
    backwards = expected[::-1]
    assert sorted(backwards, key=provenance.version_order) == expected
    assert sorted(["9" * 5000, "2.0"], key=provenance.version_order)[0] == "2.0"
