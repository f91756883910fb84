"""The digest of the code: of all that decides a run's numbers, wherever it lies, and of nothing
else.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import merbench
from merbench.engine.plan.plan import HARNESS
from merbench.results.code_digest import code_digest

METHOD = (
    '"""A method."""\n\nfrom method.layers import width\nfrom method.numbers import TWO\n\n\n'
    "def wide():\n    return TWO * width()\n"
)
LAYERS = '"""Layers."""\n\n\ndef width():\n    """Of a layer."""\n    return 64\n'


@pytest.fixture
def package(tmp_path):
    """A method that imports a file beside it."""
    folder = tmp_path / "method"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "method.py").write_text(METHOD)
    (folder / "layers.py").write_text(LAYERS)
    (folder / "numbers.py").write_text("TWO = 2\n")
    (folder / "other.py").write_text("UNUSED = 1\n")
    return folder


def digest(folder: Path, module: str = "method.method") -> str:
    """In a new process, which has imported nothing of it yet."""
    code = f"from merbench.results.code_digest import code_digest; print(code_digest([{module!r}]))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=folder.parent, capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


def edit(file: Path, old: str, new: str) -> None:
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def test_comments_docstrings_and_layout_count_for_nothing(package):
    before = digest(package)
    edit(package / "layers.py", '"""Of a layer."""', "# of a layer\n\n")
    edit(package / "method.py", '"""A method."""', '"""Another sentence."""')
    assert digest(package) == before


def test_a_constant_counts(package):
    before = digest(package)
    edit(package / "layers.py", "64", "65")
    assert digest(package) != before


def test_a_file_that_is_not_imported_does_not_count(package):
    before = digest(package)
    edit(package / "other.py", "1", "2")
    assert digest(package) == before


def test_a_file_that_moves_stays_in_the_digest(package):
    before = digest(package)
    (package / "rooms").mkdir()
    (package / "rooms/__init__.py").write_text("")
    shutil.move(package / "layers.py", package / "rooms/layers.py")
    edit(package / "method.py", "from method.layers import width\n", "")
    after = "from method.numbers import TWO\n"  # imports are sorted by the new place
    edit(package / "method.py", after, f"{after}from method.rooms.layers import width\n")
    moved = digest(package)
    edit(package / "rooms/layers.py", "64", "65")
    assert digest(package) != moved
    edit(package / "rooms/layers.py", "65", "64")
    (package / "rooms/__init__.py").unlink()  # an empty file says nothing
    assert digest(package) == moved == before


def test_where_the_api_finds_its_names_does_not_count(package):
    before = digest(package)
    layers = (package / "layers.py").read_text()
    (package / "layers.py").write_text(f'{layers}\n\n_HOME = {{"errors": ("DataError",)}}\n')
    assert digest(package) == before
    (package / "layers.py").write_text(f'{layers}\n\nHOME = {{"errors": ("DataError",)}}\n')
    assert digest(package) != before


@pytest.mark.parametrize(
    "name",
    [
        "engine/training/train.py",
        "api/material/ops.py",
        "results/metrics/regression.py",
        "results/seeds.py",
        "data/words.py",
        "merbench_baselines/fusions/mult.py",
    ],
)
def test_the_harness_and_the_method_count(monkeypatch, name):
    before, after = with_a_change_to(name, monkeypatch)
    assert after != before


@pytest.mark.parametrize(
    "name",
    [
        "terminal/progress_bar.py",
        "functions/measure/run.py",
        "cli/measure/run.py",
        "report/tables/board_sheet.py",
        "study/make.py",
    ],
)
def test_what_decides_no_number_does_not_count(monkeypatch, name):
    assert (Path(merbench.__file__).parent / name).is_file()
    before, after = with_a_change_to(name, monkeypatch)
    assert after == before


def with_a_change_to(name, monkeypatch):
    """The digest of a run before and after a file says something else."""
    from merbench.results import code_digest as module

    modules = [*HARNESS, "merbench_baselines.fusions.mult"]
    before = code_digest(modules)
    read = module._read

    def changed(file, imported_as):
        said, imported = read(file, imported_as)
        return said + "#" * file.as_posix().endswith(f"/{name}"), imported

    monkeypatch.setattr(module, "_read", changed)
    return before, code_digest(modules)


def test_what_was_parsed_is_found_again_by_its_content(package, tmp_path, monkeypatch):
    from merbench.results import code_digest as module

    monkeypatch.syspath_prepend(package.parent)
    kept = tmp_path / "cache/code.json"
    modules = ["method.method"]
    alone = code_digest(modules)
    assert code_digest(modules, kept) == alone
    monkeypatch.setattr(module, "_read", None)  # nothing is parsed any more
    assert code_digest(modules, kept) == alone
    monkeypatch.undo()
    monkeypatch.syspath_prepend(package.parent)
    module._read.cache_clear()
    edit(package / "layers.py", "64", "65")
    assert code_digest(modules, kept) == code_digest(modules) != alone
    for damage in (b"", b"[1, 2]", b'{"a": 1}', b"\xff"):
        kept.write_bytes(damage)
        assert code_digest(modules, kept) == code_digest(modules)
    assert code_digest(modules, package) == code_digest(modules)  # a folder cannot be written
