"""A plugin that cannot be interrupted ends the program with its name."""

from __future__ import annotations

import subprocess
import sys
import threading

from merbench.host.watchdog import watched

DEAF = """
import signal
from merbench.host.watchdog import watched
with watched("deaf", 0.2):
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    while True:
        try:
            signal.pause()
        except BaseException:
            pass
"""


def test_a_plugin_that_catches_all_ends_the_program_with_its_name():
    ended = subprocess.run(
        [sys.executable, "-c", DEAF], capture_output=True, text=True, timeout=600
    )
    assert ended.returncode == 2 and not ended.stdout
    assert ended.stderr == (
        "error: plugin 'deaf' is not read after 0.2 s and cannot be interrupted; "
        "leave it out with --no-plugin 'deaf'\n"
    )


def test_a_plugin_that_is_read_in_time_is_left_alone():
    before = set(threading.enumerate())
    with watched("quick"):
        (timer,) = set(threading.enumerate()) - before
    assert timer.finished.is_set(), "the program would end later"
    timer.join()
