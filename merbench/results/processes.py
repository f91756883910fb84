"""Whose a mark in a shared folder is, and whether that process is gone."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def machine() -> str:
    """Two processes with the same answer see each other's process numbers: this host, its boot and,
    where there are such, the process namespace.
    """
    words = [socket.gethostname()]
    try:
        words.append(Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip())
        words.append(str(Path("/proc/self/ns/pid").readlink()))
    except OSError:  # a system that tells neither
        pass
    return " ".join(words)


def started(pid: int) -> str | None:
    """When a process of this machine began, in the system's own units ("" where it does not tell):
    a process number is given again. None where there is no such process, or only its entry, which a
    killed one keeps until its parent asks for it.
    """
    try:
        # Its name, in brackets, may hold spaces and brackets.
        state, *fields = Path(f"/proc/{pid}/stat").read_text("latin-1").rpartition(")")[2].split()
        return None if state in "ZX" else fields[18]
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return ""
