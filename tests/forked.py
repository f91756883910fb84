"""Commands in new processes that need not import torch again: one process with another
``PYTHONPATH`` imports it once, and each command is a fork of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from types import SimpleNamespace


class Forking:
    """The process that forks. Where it is asked, ``merbench`` runs with exactly the environment
    that is given.
    """

    def __init__(self, environ: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.forked"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environ,
            cwd=Path(__file__).parents[1],
        )

    def run(self, words: list[str], environ: dict[str, str], folder: Path) -> SimpleNamespace:
        request = {"words": words, "environ": environ, "folder": str(folder)}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return SimpleNamespace(**json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=600)
        self.process.stdout.close()


def _serve() -> None:
    import torch

    import merbench.cli.main  # noqa: F401 - before the fork
    from merbench.engine.plan.plan import HARNESS
    from merbench.results.code_digest import code_digest

    torch.set_num_threads(1)
    code_digest(HARNESS)  # so that no child parses it
    for line in sys.stdin:
        print(json.dumps(_in_a_child(json.loads(line))), flush=True)


def _in_a_child(request: dict) -> dict:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            os._exit(_command(request))
        _, status = os.waitpid(child, 0)
        for file in (out, err):
            file.seek(0)
        return {
            "returncode": os.waitstatus_to_exitcode(status),
            "stdout": out.read().decode(),
            "stderr": err.read().decode(),
        }


def _command(request: dict) -> int:
    from merbench.cli.main import main

    os.environ.clear()
    os.environ.update(request["environ"])
    os.chdir(request["folder"])
    sys.argv = ["merbench", *request["words"]]
    try:
        main()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    _serve()
