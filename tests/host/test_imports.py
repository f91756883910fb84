"""What a plugin may do while it is imported."""

from __future__ import annotations

import sys
import time
from importlib.metadata import EntryPoint

import pytest

from merbench.host.imports import import_plugin


@pytest.fixture
def entry(tmp_path, monkeypatch):
    """Source text -> the entry point of a module with it."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(source: str) -> EntryPoint:
        (tmp_path / "odd_hooks.py").write_text(source)
        monkeypatch.delitem(sys.modules, "odd_hooks", raising=False)
        return EntryPoint("odd", "odd_hooks", "merbench")

    yield make
    sys.modules.pop("odd_hooks", None)


def test_what_an_import_prints_is_kept_from_stdout_and_stderr(entry, capfd):
    source = "import sys\nprint('hello')\nprint('oh', file=sys.stderr)\nx = 1\n"
    module, output = import_plugin(entry(source))
    assert (module.x, output) == (1, "hello\noh")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.sleep(60)\n",
        "import threading\nthreading.Event().wait(60)\n",
        "while True:\n    pass\n",
        "import time\ntry:\n    time.sleep(60)\nexcept Exception:\n    pass\ntime.sleep(60)\n",
    ],
    ids=["sleeps", "waits", "loops", "catches"],
)
def test_an_import_that_hangs_is_broken_off(entry, source):
    clock = time.monotonic()
    with pytest.raises(TimeoutError, match=r"not over after 0\.2 s"):
        import_plugin(entry(source), seconds=0.2)
    assert time.monotonic() - clock < 5


def test_the_time_limit_ends_with_the_import(entry):
    import_plugin(entry("x = 1\n"), seconds=0.2)
    time.sleep(0.4)  # an alarm that is still set would end the test here
