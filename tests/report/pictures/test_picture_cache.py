"""A picture of the same numbers is drawn once, and one whose file was changed is drawn again."""

from __future__ import annotations

import math

import pytest

from merbench.report.pictures import picture_cache
from merbench.report.pictures.picture_cache import KeptPictures

DRAWN = []


def dot(name: str, values: dict[str, float]) -> bytes:
    DRAWN.append(name)
    return f"<svg>{name} {values}</svg>".encode()


@pytest.fixture(autouse=True)
def nothing_drawn():
    DRAWN.clear()


def test_equal_numbers_are_drawn_once_also_for_another_process(tmp_path):
    first = KeptPictures(tmp_path).drawn(dot, "a", {"x": 0.1})
    assert KeptPictures(tmp_path).drawn(dot, "a", {"x": 0.1}) == first == dot("a", {"x": 0.1})
    assert DRAWN == ["a", "a"]


def test_other_numbers_or_versions_are_drawn(tmp_path, monkeypatch):
    pictures = KeptPictures(tmp_path)
    assert pictures.drawn(dot, "a", {"x": 0.1}) != pictures.drawn(
        dot, "a", {"x": math.nextafter(0.1, 1)}
    )
    monkeypatch.setattr(picture_cache.matplotlib, "__version__", "0")
    KeptPictures(tmp_path).drawn(dot, "a", {"x": 0.1})
    assert len(DRAWN) == 3


def test_other_source_draws_anew(tmp_path, monkeypatch):
    package = tmp_path / "merbench"
    (package / "report").mkdir(parents=True)
    monkeypatch.setattr(picture_cache, "PACKAGE", package)
    for code, drawings in (("x = 1", 1), ("x = 1", 1), ("x = 2", 2)):
        (package / "report" / "dots.py").write_text(code)
        KeptPictures(tmp_path / "kept").drawn(dot, "a", {})
        assert len(DRAWN) == drawings


def test_a_damaged_file_or_none_costs_time_alone(tmp_path):
    good = KeptPictures(tmp_path).drawn(dot, "a", {})
    (file,) = tmp_path.glob("*.svg")
    file.write_bytes(file.read_bytes().replace(b"a", b"b"))
    assert KeptPictures(tmp_path).drawn(dot, "a", {}) == good
    assert KeptPictures(tmp_path).drawn(dot, "a", {}) == good and len(DRAWN) == 2
    (tmp_path / "file").write_text("")
    assert KeptPictures(tmp_path / "file").drawn(dot, "a", {}) == good and len(DRAWN) == 3


def test_another_picture_s_file_is_not_taken_for_it(tmp_path):
    pictures = KeptPictures(tmp_path)
    other = pictures.drawn(dot, "b", {})
    (file_of_other,) = tmp_path.glob("*.svg")
    good = pictures.drawn(dot, "a", {})
    (file,) = set(tmp_path.glob("*.svg")) - {file_of_other}
    file.write_bytes(file_of_other.read_bytes())
    assert pictures.drawn(dot, "a", {}) == good != other


def test_the_older_half_goes_when_there_are_many(tmp_path, monkeypatch):
    monkeypatch.setattr(picture_cache, "MOST", 4)
    pictures = KeptPictures(tmp_path)
    for name in "abcdef":
        pictures.drawn(dot, name, {})
    assert len(list(tmp_path.glob("*.svg"))) == 4
