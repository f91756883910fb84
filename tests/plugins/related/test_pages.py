"""The pages of the ten systems: at most a printed page, with a table of settings that is complete
and true.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from merbench.functions.look.show import shown
from merbench.testing import tiny

PAGES = Path(__file__).parents[3] / "docs" / "methods"
RECIPES = {
    "carat": ("carat",),
    "cmpc-tgfe": ("cmpc-tgfe",),
    "kggr": ("kggr",),
    "lgca": ("lgca",),
    "lsgmer": ("lsgmer",),
    "mcl-ner": ("mcl-ner", "mcl-ner-self-training"),
    "memobert": ("memobert",),
    "mpuc": ("mpuc",),
    "scpnet": ("scpnet",),
    "tailor": ("tailor",),
}
HEADING = "| setting | default | published | searched |"
PUBLISHED = ("published-settings", "published-training", "published-projection")
LINES, CHARACTERS = 60, 5_400
SIZES = ("width", "inner", "batch_size", "weight_decay")


def page_of(name: str) -> str:
    return (PAGES / f"{name}.md").read_text()


def table_of(name: str) -> dict[str, tuple[str, str, str]]:
    """Setting -> its default, published and searched values, as the page has them."""
    rows = page_of(name).split(HEADING)[1].split("\n\n")[0].splitlines()[2:]
    settings = {}
    for row in rows:
        first, *cells = (cell.strip() for cell in row.strip("|").split("|"))
        names, slot = re.findall(r"`([\w.-]+)`", first), ""
        for at, name in enumerate(names):
            slot = slot if name.startswith(".") else name.rpartition(".")[0]
            full = slot + name if name.startswith(".") else name
            settings[full] = tuple(_cell(cell, at, len(names)) for cell in cells)
    return settings


def _cell(cell: str, at: int, names: int) -> str:
    """The value of one name of a row: one for all, or one each between slashes."""
    parts = cell.split(" / ")
    assert len(parts) in (1, names), f"{cell!r} is for {names} settings"
    return re.sub(r" \(.*\)$", "", parts[at % len(parts)])


def value(text: str):
    """What a cell says, as the settings have it."""
    if text in ("yes", "no"):
        return text == "yes"
    if re.fullmatch(r"\d{1,3}(,\d{3})+", text):
        text = text.replace(",", "")
    numbers = [float(x) for x in text.split(", ")] if re.fullmatch(r"[\d.e, -]+", text) else []
    return numbers if len(numbers) > 1 else numbers[0] if numbers else text


def ranges(text: str) -> set[str]:
    """How a page may write what ``merbench show`` has: ``32 | 64 | 128`` also as its two ends."""
    plain = text.removesuffix(", log")
    choices = plain.split(" | ")
    return {"–"} if not text else {plain, ", ".join(choices), f"{choices[0]} to {choices[-1]}"}


def plainly(text: str) -> str:
    """A range with its numbers as ``merbench show`` prints them: ``.1 to 1e-2`` -> 0.1 to 0.01."""
    numbers = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    return re.sub(r"[\d.]+(e-?\d+)?", lambda number: f"{float(number[0]):g}", numbers)


def of_every_modality(name: str, settings: dict) -> list:
    """The settings that ``encoder.width`` names; any other names itself."""
    if re.fullmatch(r"encoder\.\w+", name):
        field = name.removeprefix("encoder.")
        return [s for n, s in settings.items() if re.fullmatch(rf"encoder\.\w+\.{field}", n)]
    return [settings[name]]


@pytest.fixture(scope="module")
def settings_of(catalog):
    corpus = tiny.corpus("multilabel")
    by_model: dict[str, dict] = {}
    for name, models in RECIPES.items():
        of_models = [shown(catalog, model, corpus, None).settings for model in models]
        by_model[name] = {s.name: s for settings in reversed(of_models) for s in settings}
    return by_model


@pytest.mark.parametrize("name", RECIPES)
def test_a_page_is_a_page(name):
    assert len(page_of(name).splitlines()) <= LINES and len(page_of(name)) <= CHARACTERS


@pytest.mark.parametrize("name", RECIPES)
def test_its_settings_are_those_of_the_recipe(name, settings_of):
    settings = settings_of[name]
    for setting, (default, published, searched) in table_of(name).items():
        assert published
        for own in of_every_modality(setting, settings):
            own_default = own.default if own.default != [] else "–"
            assert value(default) == own_default, setting
            assert plainly(searched) in {plainly(r) for r in ranges(own.range)}, setting


@pytest.mark.parametrize("name", RECIPES)
def test_whatever_is_searched_is_in_the_table(name, settings_of):
    """But for the encoders, which are not the method's own."""
    named = table_of(name)
    searched = {s for s, own in settings_of[name].items() if own.range}
    assert not {s for s in searched if not s.startswith("encoder.")} - set(named)


@pytest.mark.parametrize("name", RECIPES)
def test_ranges_are_around_what_is_published(name):
    """But for sizes and batches of networks over pictures, and a decay of 0, which has no log."""
    for setting, (_, published, searched) in table_of(name).items():
        low, to, high = plainly(searched).partition(" to ")
        is_size = setting.rpartition(".")[2] in SIZES
        if to and not is_size and isinstance(value(published), float):
            assert float(low) <= value(published) <= float(high), setting


@pytest.mark.parametrize("name", RECIPES)
def test_what_is_taken_as_published_is_what_the_page_says(name, catalog):
    """By an ablation, or as the recipe's case for a data set or a text tower."""
    named = table_of(name)
    recipe = catalog.recipe(name)
    by_ablation = [a.settings for a in recipe.ablations if a.name in PUBLISHED]
    for settings in (*by_ablation, *(case.settings for case in recipe.cases)):
        for setting, published in settings.items():
            if not isinstance(published, dict):
                as_listed = list(published) if isinstance(published, tuple) else published
                assert value(named[setting][1]) == as_listed, setting
