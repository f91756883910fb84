"""A picture made small is the same picture."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from merbench.report.pictures import compact_svg as module
from merbench.report.pictures.compact_svg import compact

HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
    'width="72pt" height="36pt" viewBox="0 0 72 36"><metadata>long</metadata>\n'
    "<defs><style>*{x: y}</style></defs>\n"
)
SVG = "{http://www.w3.org/2000/svg}"


def compacted(body):
    return ElementTree.fromstring(compact(f"{HEAD}{body}</svg>", "us"))


def corners(d):
    """Absolute places of a path of lines."""
    here, placed = [0.0, 0.0], []
    for letter, text in re.findall(r"([MlhvzL])([^MlhvzL]*)", d):
        numbers = [float(n) for n in re.findall(r"-?[\d.]+", text)]
        steps = {"h": [(n, 0.0) for n in numbers], "v": [(0.0, n) for n in numbers]}
        pairs = list(zip(numbers[::2], numbers[1::2], strict=False))
        for x, y in steps.get(letter, pairs):
            here = [x, y] if letter in "ML" else [here[0] + x, here[1] + y]
            placed.append(tuple(here))
    return placed


def test_no_corner_moves_by_more_than_a_twentieth_of_a_point():
    places = [(n * 1.2345678, 30 - (n * n % 17) * 0.98765) for n in range(40)]
    d = "M " + " \nL ".join(f"{x} {y}" for x, y in places)
    path = compacted(f'<path d="{d}\nz\n"/>').find(f"{SVG}path")
    assert len(corners(path.get("d"))) == 40 and len(path.get("d")) < len(d) / 2
    for place, moved in zip(places, corners(path.get("d")), strict=True):
        assert place == pytest.approx(moved, abs=0.0501)


def test_references_still_lead_where_they_led():
    root = compacted(
        '<g id="figure_1"><g id="axes"><defs><path id="m123" d="M 0 0 L 1 0"/></defs>'
        '<use xlink:href="#m123" x="1.23456" y="2" style="fill: #1f77b4"/></g></g>'
        '<clipPath id="p9"><rect x="0" y="0" width="5.55555" height="1"/></clipPath>'
        '<path clip-path="url(#p9)" d="M 0 0 L 1 1"/>'
    )
    ids = {e.get("id"): e for e in root.iter() if e.get("id")}
    use = root.find(f".//{SVG}use")
    linked = use.get("{http://www.w3.org/1999/xlink}href").removeprefix("#")
    assert len(ids) == 2 and ids[linked].tag == f"{SVG}path"
    assert use.get("x") == "1.2" and use.get("style") == "fill: #1f77b4"
    assert ids[root.findall(f"{SVG}path")[-1].get("clip-path")[5:-1]].tag == f"{SVG}clipPath"
    assert root.find(f".//{SVG}g") is None, "groups without attributes are gone"


def test_a_style_of_many_is_said_once_and_text_stays():
    root = compacted('<text style="font-size: 8px; font-family: \'A\'; fill: red" x="1">a &lt; b</text>' * 2)  # fmt: skip
    texts = root.findall(f"{SVG}text")
    (name,) = {text.get("class") for text in texts}
    assert [text.text for text in texts] == ["a < b"] * 2
    assert f".{name}{{font-size: 8px; fill: red}}" in root.find(f"{SVG}defs/{SVG}style").text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.04, "0"), (-0.04, "0"), (-0.52, "-.5"), (10.0, "10"), (100.26, "100.3"), (-1.0, "-1")],
)
def test_numbers_are_short(value, text):
    assert module._number(value, 1) == text
