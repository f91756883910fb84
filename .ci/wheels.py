"""Builds the wheels of merbench and of its plugins, installs them into a new environment, and runs
the program from an empty folder: what is missing in a wheel fails here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (ROOT, *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml")))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        wheels, empty = scratch / "wheels", scratch / "empty"
        empty.mkdir()
        for package in PACKAGES:
            call(
                sys.executable,
                "-m",
                "build",
                "--wheel",
                "--no-isolation",
                "--outdir",
                wheels,
                package,
            )
        venv.create(scratch / "env", with_pip=True)
        program = scratch / "env" / "bin"
        call(program / "pip", "install", "--quiet", *sorted(wheels.glob("*.whl")))
        inherited = {
            k: v for k, v in os.environ.items() if not k.startswith(("MERBENCH_", "PYTHON"))
        }
        environ = {**inherited, "HOME": str(empty), "MERBENCH_THREADS": "1"}
        for words in (
            ("list", "models"),
            ("plugins", "list"),
            RUN,
            ("leaderboard", "--format", "md"),
        ):
            call(program / "merbench", *words, cwd=empty, env=environ)
        print(f"{len(PACKAGES)} wheels work away from the clone")


RUN = ("run", "--model", "merclip", "--dataset", "sample", "--seeds", "1", "--epochs", "1")


def call(*words: object, **how: object) -> None:
    subprocess.run([str(word) for word in words], check=True, **how)  # type: ignore[call-overload]


if __name__ == "__main__":
    main()
