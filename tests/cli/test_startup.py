"""The program answers without importing torch."""

from __future__ import annotations

import subprocess
import sys

import pytest

WITHOUT = """
import sys
sys.argv = ["merbench", *{words}]
from merbench.cli.main import main
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
heavy = {{"torch", "transformers", "open_clip", "optuna", "matplotlib", "pandas"}} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["list"],
        ["list", "models"],
        ["plugins", "list"],
        ["run", "--help"],
        ["data", "list"],
    ],
)
def test_answers_without_importing_torch(words, tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(words=words)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()


def test_importing_the_api_imports_neither_torch_nor_pydantic():
    code = "import merbench.api, sys; assert not {'torch', 'pydantic'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_every_run_is_printed_with_needs_no_scipy():
    names = ("scores.rows.pooled_seeds", "tables.board", "tables.terminal")
    modules = ", ".join(f"merbench.report.{name}" for name in names)
    code = f"import sys, {modules}; assert 'scipy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_name_of_the_api_is_there_and_a_wrong_one_is_told():
    import merbench.api as api

    assert all(getattr(api, name) is not None for name in api.__all__)
    with pytest.raises(AttributeError, match="Fusion"):
        _ = api.Fussion
