"""Guards and helpers of every test."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import hypothesis
import pytest
import torch

from merbench.host.discovery import discover
from tests.forked import Forking
from tests.tiny_runs import home, make, store  # noqa: F401 - fixtures of every room

FIXTURES = Path(__file__).parent / "fixtures"

# The test command draws the same examples each time; `tox -e fuzz` draws new ones.
# Neither asks how long an example takes: a busy machine is slow, not wrong.
UNHURRIED = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("same", derandomize=True, **UNHURRIED)
hypothesis.settings.register_profile("new", print_blob=True, **UNHURRIED)
hypothesis.settings.load_profile("new" if "MERBENCH_FUZZ" in os.environ else "same")


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Tests run side by side; one thread each is what they were timed with."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _nothing_leaks():
    """A test that changes the environment or the folder for the next one fails."""
    before, folder = dict(os.environ), Path.cwd()
    yield
    before.pop("PYTEST_CURRENT_TEST", None)
    # Libraries set variables of their own when they are first imported.
    after = {k: v for k, v in os.environ.items() if k in before or k.startswith("MERBENCH_")}
    assert after == before, "the test left the environment changed"
    assert Path.cwd() == folder, "the test left another working folder"


@pytest.fixture(scope="session")
def catalog():
    from merbench.host.catalog import Catalog

    return Catalog(discover())


@pytest.fixture(scope="session")
def forking():
    """``PYTHONPATH`` -> the process whose forks have it."""
    processes: dict[str, Forking] = {}
    yield processes
    for process in processes.values():
        process.close()


@pytest.fixture(scope="session")
def parsed_code(catalog, tmp_path_factory):
    """The file in which a new process finds what all code says, so that it need not parse it."""
    from merbench.engine.plan.plan import HARNESS
    from merbench.results.code_digest import code_digest

    kept = tmp_path_factory.mktemp("code") / "code.json"
    fusions = [catalog.component("fusion", name) for name in catalog.names("fusion")]
    code_digest([*HARNESS, *(f.target.partition(":")[0] for f in fusions)], kept)
    return kept


def environment(folder: Path) -> dict[str, str]:
    """Of a user whose home and working folder is ``folder``."""
    return {
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder / "share"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "MERBENCH_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }


@functools.cache
def _plugins(disabled: tuple[str, ...], off: str, strict: str):
    names = "MERBENCH_DISABLED_PLUGINS", "MERBENCH_STRICT_PLUGINS"
    return discover(disabled, dict(zip(names, (off, strict), strict=True)))


@pytest.fixture
def plugins_anew():
    """The next command of this test reads the plugins, which another may have read before it."""
    _plugins.cache_clear()


def discover_once(disabled=(), environ=os.environ):
    """``discover``, whose answer is the same each time in one process."""
    off = environ.get("MERBENCH_DISABLED_PLUGINS", "")
    return _plugins(tuple(disabled), off, environ.get("MERBENCH_STRICT_PLUGINS", ""))


def in_this_process(folder: Path, words, env):
    """The program in this process, which has torch already."""
    from merbench.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        for name in [n for n in os.environ if n.startswith("MERBENCH_")]:
            patch.delenv(name)
        for name, value in {**environment(folder), **env}.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["merbench", *words])
        patch.setattr("merbench.host.discovery.discover", discover_once)
        patch.chdir(folder)
        with pytest.raises(SystemExit) as stop:
            main()
    return SimpleNamespace(
        returncode=stop.value.code or 0, stdout=out.getvalue(), stderr=err.getvalue()
    )


@pytest.fixture(scope="session")
def program():
    """``program(folder)("run", ...)``: as ``merbench`` in that folder, for what tests share."""

    def of_folder(folder: Path):
        def call(*words: str, env: dict[str, str] | None = None, check: bool = False):
            completed = in_this_process(folder, words, env or {})
            assert not check or completed.returncode == 0, completed.stderr
            return completed

        return call

    return of_folder


@pytest.fixture
def merbench(tmp_path, program, forking):
    """Calls the program as a user does: ``merbench("run", "--model", "tfn")`` -> returncode,
    stdout, stderr, in an empty home and folder.

    In this process, which has torch already; with ``path`` (of packages installed for the test) in
    a new one.
    """

    def new_process(words, env, path):
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("MERBENCH_")}
        full = {**inherited, **environment(tmp_path), **env, "PYTHONPATH": path}
        if path not in forking:
            forking[path] = Forking(full)
        return forking[path].run(words, full, tmp_path)

    def call(
        *words: str, env: dict[str, str] | None = None, path: str | None = None, check: bool = False
    ):
        if not path:
            return program(tmp_path)(*words, env=env, check=check)
        completed = new_process(words, env or {}, path)
        assert not check or completed.returncode == 0, completed.stderr
        return completed

    return call


def loads(text: str):
    """stdout as one JSON value; anything else on it fails here."""
    return json.loads(text)
