"""What ``tests.kills`` takes for the work of a kill is what SIGKILL leaves."""

from __future__ import annotations

import os
import re
import shutil
import signal

from merbench.results.files import write_together
from tests.kills import content, in_a_child, killed, replace


def test_the_copies_are_what_sigkill_leaves(tmp_path):
    folder = tmp_path / "folder"
    (folder / "old/inner").mkdir(parents=True)
    (folder / "old/inner/file").write_bytes(b"old")
    (folder / "log").write_bytes(b"before")
    (folder / "state").write_bytes(b"old")
    shutil.copytree(folder, tmp_path / "before")

    def call():
        write_together(folder / "new", {"a": b"first", "b/c": b"second"})
        with (folder / "log").open("ab") as file:
            file.write(b"after")
        (folder / "link").symlink_to("log")
        os.link(folder / "log", folder / "other")
        shutil.rmtree(folder / "old")
        (folder / "state").write_bytes(b"a new one")

    copies = killed(call, folder, tmp_path, every=True)
    assert len(copies) > 20
    for number, (moment, copy) in enumerate(copies):
        shutil.copytree(tmp_path / "before", tmp_path / str(number))
        replace(folder, tmp_path / str(number))
        seen = []

        def die(at, spoil, number=number, seen=seen):
            seen.append(at)
            if len(seen) > number:
                spoil(folder)
                os.kill(os.getpid(), signal.SIGKILL)

        assert in_a_child(call, folder, die) == -signal.SIGKILL
        assert plain(folder) == plain(copy), moment


def plain(folder):
    return {re.sub(r"\.\d+@.*", "", name): what for name, what in content(folder).items()}
