"""What a shell completes: commands, models and data sets, without importing torch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from merbench.cli.main import cli
from tests.conftest import environment


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
    for name in ("mine", "min\x1b[2J", "min; $(x)", "min\nx"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "dataset.toml").write_text("")
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


@pytest.mark.skipif(not shutil.which("fish"), reason="no fish here")
def test_fish_completes_by_the_documented_line(tmp_path):
    (tmp_path / "data/mine").mkdir(parents=True)
    (tmp_path / "data/mine/dataset.toml").write_text("")
    typed = ["run --model tfn,merc", "run --dataset min", "sho"]
    script = "_MERBENCH_COMPLETE=fish_source merbench | source\n" + "\n".join(
        f"complete --do-complete 'merbench {words}'" for words in typed
    )
    scripts = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    more = {"MERBENCH_DATA": str(tmp_path / "data"), "PATH": scripts}
    result = subprocess.run(
        ["fish", "--command", script],
        env=os.environ | environment(tmp_path) | more,
        capture_output=True,
        text=True,
    )
    words = [line.partition("\t")[0] for line in result.stdout.splitlines()]
    assert words == ["tfn,merclip", "mine", "show"], result.stderr
