"""matplotlib's SVG without what no reader sees: a tenth of a point is as fine as coordinates get,
a style that many elements have is said once, and names that nothing refers to are gone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

_NAMESPACES = {"{http://www.w3.org/2000/svg}": "", "{http://www.w3.org/1999/xlink}": "xlink:"}
_FONT = "font-family:'DejaVu Sans',Verdana,sans-serif"
_REFERENCE = re.compile(r"#([\w.-]+)")
_TOKEN = re.compile(r"[A-Za-z]|-?[\d.]+(?:e-?\d+)?")


def compact(svg: str, maker: str) -> str:
    """``maker``: who drew it, said in a comment in the place of matplotlib's metadata."""
    root = ElementTree.fromstring(svg)
    for element in list(root.iter()):
        _plain_names(element)
    root.remove(_only(root, "metadata"))
    for element in root.iter():
        _fewer_digits(element)
    _fewer_names(root)
    _unwrap(root)
    sheet = _only(root, "defs")[0]
    sheet.text = f"{sheet.text}text{{{_FONT}}}{_shared_styles(root)}"
    root.set("xmlns", "http://www.w3.org/2000/svg")
    root.set("xmlns:xlink", "http://www.w3.org/1999/xlink")
    return f"<!-- {maker} -->\n{ElementTree.tostring(root, encoding='unicode')}\n"


def _only(root: Element, tag: str) -> Element:
    element = root.find(tag)
    assert element is not None, tag
    return element


def _plain_names(element: Element) -> None:
    """Names as they are written, and no blanks between elements."""
    for address, prefix in _NAMESPACES.items():
        element.tag = element.tag.replace(address, prefix)
        named = {name.replace(address, prefix): value for name, value in element.attrib.items()}
        element.attrib.clear()
        element.attrib.update(named)
    element.tail = None
    if not (element.text or "").strip():
        element.text = None


def _fewer_digits(element: Element) -> None:
    for name, value in element.attrib.items():
        if name == "d":
            element.set(name, _path(value))
        elif name in ("x", "y", "width", "height") and not value.endswith("pt"):
            element.set(name, _number(float(value), 1))
        elif name == "style":
            element.set(name, re.sub(r"font-family: [^;]*;? ?", "", value))
    turn = element.get("transform", "")
    if turn.startswith("rotate(-0 "):
        del element.attrib["transform"]
    else:
        rounded = re.sub(r"\d+\.\d+", lambda number: _number(float(number[0]), 2), turn)
        element.attrib |= {"transform": rounded} if turn else {}


def _number(value: float, digits: int) -> str:
    """Without zeros that say nothing: ``-.5``, ``12``."""
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else re.sub(r"^(-?)0\.", r"\1.", text)


def _path(d: str) -> str:
    """Lines in tenths of a point from one corner to the next, so that roundings do not add up;
    curves, which are small marks, in hundredths.
    """
    tokens = _TOKEN.findall(d)
    if {"C", "Q"} & set(tokens):
        return _joined([t if t.isalpha() else _number(float(t), 2) for t in tokens])
    written: list[str] = []
    here = (0, 0)
    numbers = iter(tokens)
    for command in numbers:
        if command == "z":
            written.append("z")
            continue
        x, y = (round(10 * float(next(numbers))) for _ in range(2))
        if command == "M":
            written += ["M", _number(x / 10, 1), _number(y / 10, 1)]
        else:
            written += _line(x - here[0], y - here[1])
        here = (x, y)
    return _joined(written)


def _line(right: int, down: int) -> list[str]:
    if down == 0:
        return ["h", _number(right / 10, 1)]
    if right == 0:
        return ["v", _number(down / 10, 1)]
    return ["l", _number(right / 10, 1), _number(down / 10, 1)]


def _joined(tokens: Sequence[str]) -> str:
    """A letter is left out where it is the one before, and a blank before a sign."""
    text, letter = "", ""
    for token in tokens:
        if token.isalpha():
            repeated = token == letter and token in "lhv"
            text += "" if repeated else token
            letter = token
        else:
            text += token if token[0] == "-" or text[-1:].isalpha() else f" {token}"
    return text


def _fewer_names(root: Element) -> None:
    """Of ids only those that something refers to, as short as can be."""
    values = [value for element in root.iter() for value in element.attrib.values()]
    referred = {name for value in values for name in _REFERENCE.findall(value)}
    names = [element.get("id", "") for element in root.iter() if element.get("id") in referred]
    short = {name: f"n{number}" for number, name in enumerate(names)}
    for element in root.iter():
        if element.get("id") and element.get("id") not in short:
            del element.attrib["id"]
        for key, value in element.attrib.items():
            if key == "id":
                element.set(key, short[value])
            elif "#" in value:
                element.set(key, _REFERENCE.sub(lambda m: f"#{short.get(m[1], m[1])}", value))


def _unwrap(element: Element) -> None:
    """Groups that say nothing give way to what is in them."""
    children = []
    for child in element:
        _unwrap(child)
        children += list(child) if child.tag == "g" and not child.attrib else [child]
    element[:] = children


def _shared_styles(root: Element) -> str:
    """Rules of a style sheet for the styles that several elements have, which get a class."""
    counts = Counter(style for element in root.iter() if (style := element.get("style")))
    common = [style for style, count in counts.items() if count > 1]
    classes = {style: f"s{number}" for number, style in enumerate(common)}
    for element in root.iter():
        if (style := element.get("style", "")) in classes:
            del element.attrib["style"]
            element.set("class", classes[style])
    return "".join(f".{name}{{{style}}}" for style, name in classes.items())
