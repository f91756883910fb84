"""The process of a command ends with its result as it is, whatever a plugin leaves behind."""

from __future__ import annotations

import subprocess
import sys

import pytest

LEAVE = """
import atexit, threading, time
from merbench.cli.program import leave_in_time
print("the result", flush=True)
{left_behind}
leave_in_time(3, {patience})
print("more")
"""


@pytest.mark.parametrize(
    ("left_behind", "subject"),
    [
        ("threading.Thread(target=time.sleep, args=[600], name='mine').start()", "thread 'mine'"),
        ("atexit.register(time.sleep, 600)", "what it does at the end of the program"),
    ],
)
def test_what_does_not_end_is_left_with_a_sentence(left_behind, subject):
    done = left(left_behind, 0.1)
    assert (done.returncode, done.stdout) == (3, "the result\n")
    assert f"of a plugin {subject} is not over after 0.1 s" in done.stderr


def test_what_ends_is_waited_for_and_its_words_are_no_result():
    done = left("atexit.register(print, 'at the end')", 600)
    assert (done.returncode, done.stdout) == (0, "the result\n")
    assert done.stderr == "more\nat the end\n"


def left(left_behind: str, patience: float) -> subprocess.CompletedProcess[str]:
    script = LEAVE.format(left_behind=left_behind, patience=patience)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)


def test_a_thread_that_breaks_off_is_one_line():
    script = (
        "import threading; from merbench.cli.program import say_thread_error\n"
        "threading.excepthook = say_thread_error\n"
        "threading.Thread(target=open, args=['/no/such'], name='writer').start()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr.startswith("warning: thread writer broke off: FileNotFoundError: ")
    assert done.stderr.count("\n") == 1
