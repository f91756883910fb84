"""What a plugin may do while it is imported."""

from __future__ import annotations

import cProfile
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import torch

from merbench.host.guarded_imports import import_plugin


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
        "import time\ntime.sleep(600)\n",
        "import threading\nthreading.Event().wait(600)\n",
        "while True:\n    pass\n",
        "import time\ntry:\n    time.sleep(600)\nexcept Exception:\n    pass\ntime.sleep(600)\n",
    ],
    ids=["sleeps", "waits", "loops", "catches"],
)
def test_an_import_that_hangs_is_broken_off(entry, source):
    clock = time.monotonic()
    with pytest.raises(TimeoutError, match=r"not over after 0\.2 s"):
        import_plugin(entry(source), seconds=0.2)
    assert time.monotonic() - clock < 300


def test_the_time_limit_ends_with_the_import(entry):
    import_plugin(entry("x = 1\n"))
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0), "an alarm is still set"


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos.write(1, b'NOISE')\nos.write(2, b'NOISE')\n",
        "import os\nos.close(1)\nos.close(2)\n",
        "import sys\nsys.__stdout__.write('NOISE')\nsys.__stdout__.close()\n",
        "import sys\nsys.stdout = sys.stderr = sys.__stdout__ = None\n",
        "import os\nif os.fork() == 0:\n    os._exit(0)\n",
    ],
    ids=["past Python", "closes descriptors", "closes a stream", "takes streams", "forks"],
)
def test_an_import_leaves_the_streams_as_they_were(entry, source, capfd):
    streams = sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__
    import_plugin(entry(source))
    assert (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__) == streams
    os.write(1, b"ours")
    print("too")
    assert capfd.readouterr() == ("ourstoo\n", "")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("os._exit(3)", r"os\._exit\(3\)"),
        ("os.abort()", r"os\.abort\(\)"),
        ("os.kill(os.getpid(), 15)", r"os\.kill\(\d+, 15\)"),
        ("os.kill(0, 18)", r"os\.kill\(0, 18\)"),
        ("os.killpg(os.getpgrp(), 18)", r"os\.killpg\(\d+, 18\)"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)
def test_an_import_that_ends_the_process_is_an_error(entry, source, sentence):
    functions = os._exit, os.abort, os.kill, os.killpg
    with pytest.raises(SystemExit, match=sentence):
        import_plugin(entry(f"import os\n{source}\n"))
    assert (os._exit, os.abort, os.kill, os.killpg) == functions


def test_an_import_may_ask_which_processes_live(entry):
    import_plugin(entry("import os\nos.kill(os.getpid(), 0)\n"))


@pytest.fixture
def heeds_ctrl_c():
    """Also where the tests were started in the background of a shell, which ignores the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_an_import_leaves_the_interpreter_as_it_was(entry):
    def mine(*_):
        return None

    depth, before, path = sys.getrecursionlimit(), sys.getprofile(), [*sys.path]
    mask = os.umask(0o022)
    os.umask(mask)
    sys.setprofile(mine)
    try:
        import_plugin(
            entry(
                "import os, sys\nsys.setrecursionlimit(200)\nsys.setprofile(lambda *a: None)\n"
                "sys.path[:] = ['x']\nos.umask(0o777)"
            )
        )
        assert sys.getprofile() is mine
    finally:
        sys.setprofile(before)
    assert sys.getrecursionlimit() == depth and set(path) < set(sys.path)
    assert os.umask(mask) == mask


def test_an_import_leaves_torch_and_numpy_computing_as_they_did(entry):
    before = np.geterr()
    import_plugin(
        entry(
            "import numpy, torch\ntorch.set_default_dtype(torch.float64)\n"
            "torch.set_grad_enabled(False)\nnumpy.seterr(all='raise')"
        )
    )
    assert torch.get_default_dtype() == torch.float32 and torch.is_grad_enabled()
    assert np.geterr() == before


def test_a_plugin_that_imports_them_first_leaves_their_own_settings(entry):
    program = (
        "from importlib.metadata import EntryPoint; import sys\n"
        "from merbench.host.guarded_imports import import_plugin\n"
        f"sys.path.insert(0, {str(Path(entry('').load().__file__).parent)!r})\n"
        "assert 'numpy' not in sys.modules\n"
        "import_plugin(EntryPoint('odd', 'odd_hooks', 'merbench'))\n"
        "import numpy; assert numpy.geterr()['over'] == 'warn'"
    )
    entry("import numpy\nnumpy.seterr(all='raise')")
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("value", ["", "a.b:c:d"])
def test_an_entry_point_that_names_no_module_is_told(value):
    with pytest.raises(ValueError, match="is not of the form MODULE or MODULE:NAME"):
        import_plugin(EntryPoint("odd", value, "merbench"))


@pytest.fixture
def interruptible():
    """As at a terminal: what a shell has put in the background ignores interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_the_user_may_interrupt_an_import(entry):
    """The signal comes from another process."""
    source = (
        "import os, subprocess\nsubprocess.run(['kill', '-2', str(os.getpid())])\nwhile 1: pass\n"
    )
    with pytest.raises(KeyboardInterrupt):
        import_plugin(entry(source))


def test_an_import_leaves_the_folder_and_the_signals_as_they_were(entry):
    before = Path.cwd(), signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    ignored = "".join(
        f"signal.signal(signal.{name}, signal.SIG_IGN)\n" for name in ("SIGINT", "SIGTERM")
    )
    import_plugin(entry(f"import os, signal\nos.chdir('/')\n{ignored}"))
    after = Path.cwd(), signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert after == before


@pytest.mark.parametrize("source", ["x = 1", "import sys\nsys.setprofile(None)\nx = 1"])
def test_a_plugin_is_imported_under_a_profiler(entry, source):
    profiler, before = cProfile.Profile(), sys.getprofile()
    profiler.enable()
    try:
        module, _ = import_plugin(entry(source))
    finally:
        profiler.disable()
        sys.setprofile(before)
    assert module.x == 1
