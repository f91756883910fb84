"""What the system refuses, in one sentence: no room on a disk, no further process, no memory."""

from __future__ import annotations

import errno

_ROOM = "make room, or choose another folder"
_RIGHTS = "change its permissions, or choose another place"
_WAYS_OUT = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: _ROOM,
    errno.EROFS: "make it writable, or choose another folder",
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EMFILE: "raise the limit (ulimit -n)",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "name a folder, not a file",
    errno.EISDIR: "name a file, not a folder",
}
_SHORT = {errno.ENOMEM, errno.EMFILE, errno.ENFILE}
# Python's own texts: it has no error classes for these.
_NO_THREAD = "can't start new thread"
_LOOP = "Symlink loop from "


def is_shortage(error: BaseException) -> bool:
    """Whether this machine lacks something for now, memory or open files: the file that was being
    read need not be at fault.
    """
    return isinstance(error, MemoryError) or getattr(error, "errno", None) in _SHORT


def sentence_of(error: BaseException) -> str | None:
    """For the user, with a way out; None where the fault is not the system's but ours."""
    if isinstance(error, MemoryError):
        return "there is not enough memory; use smaller batches or fewer --jobs"
    if isinstance(error, RuntimeError) and _NO_THREAD in str(error):
        return f"the system refuses another thread; {_FEWER}"
    if isinstance(error, RuntimeError) and str(error).startswith(_LOOP):
        return f"{str(error).removeprefix(_LOOP)} is a link that leads to itself; name another path"
    if not isinstance(error, OSError) or error.errno is None:
        return None
    if isinstance(error, BlockingIOError) and error.filename is None:
        return f"the system refuses another process ({error.strerror}); {_FEWER}"
    subject = error.filename if error.filename is not None else "writing failed"
    way_out = _WAYS_OUT.get(error.errno)
    return f"{subject}: {error.strerror}" + (f"; {way_out}" if way_out else "")


_FEWER = "use fewer --jobs or --threads, or raise the limit (ulimit -u)"
