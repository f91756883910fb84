"""What a shell completes: commands, models and data sets, without importing torch."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from click.shell_completion import ShellComplete

from merbench.cli.main import cli


def completed(*words: str) -> list[str]:
    *before, last = words
    shell = ShellComplete(cli, {}, "merbench", "_MERBENCH_COMPLETE")
    return [item.value for item in shell.get_completions(before, last)]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("run", "--model", "mer"), ["merclip"]),
        (("run", "--model", "tfn,merc"), ["tfn,merclip"]),
        (("show", "self"), ["self-mm"]),
        (("run", "--model", "tfn", "--dataset", "sam"), ["sample"]),
        (("transfer", "--from", "sam"), ["sample"]),
        (("leaderboard", "--dataset", "sam"), ["sample"]),
        (("run", "--model", "nothing-of-that-name"), []),
    ],
)
def test_models_and_data_sets_are_completed(words, names):
    assert completed(*words) == names


def test_a_data_set_of_ones_own_is_completed(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/dataset.toml").write_text("")
    monkeypatch.setenv("MERBENCH_DATA", str(tmp_path))
    assert completed("run", "--dataset", "min") == ["mine"]


def test_bash_is_answered_without_torch():
    code = (
        "import sys; from merbench.cli.main import main\n"
        "sys.argv[0] = 'merbench'\n"
        "try: main()\n"
        "finally: print('torch' in sys.modules, file=sys.stderr)"
    )
    words = {"COMP_WORDS": "merbench run --model merc", "COMP_CWORD": "3"}
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"_MERBENCH_COMPLETE": "bash_complete", **words},
        capture_output=True,
        text=True,
    )
    assert result.stdout.split() == ["plain,merclip"] and result.stderr.strip() == "False"
