"""A check and its verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from merbench.api import MerbenchError
from merbench.host.why_broken import place_of

Status = Literal["passed", "failed", "skipped", "known failure"]


class Skip(Exception):
    """Raised by a check that does not apply here; the message says why."""


@dataclass(frozen=True)
class Verdict:
    """``reason``: why a check failed or was skipped; empty when it passed."""

    subject: str
    check: str
    status: Status
    reason: str = ""

    def as_dict(self) -> dict[str, str]:
        return {
            "subject": self.subject,
            "check": self.check,
            "status": self.status,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Check:
    """One named check of one subject. ``known``: the declared reason why it is expected to fail."""

    subject: str
    name: str
    body: Callable[[], None]
    known: str | None = None

    def run(self) -> Verdict:
        """A declared failure is strict: when the check passes, that is itself a failure."""
        try:
            self.body()
        except Skip as skip:
            return Verdict(self.subject, self.name, "skipped", str(skip))
        except Exception as error:  # a plugin may raise anything
            reason = (str(error).strip().splitlines() or [""])[0]
            if not (reason and isinstance(error, AssertionError | MerbenchError)):
                reason = f"{type(error).__name__}: {reason or 'no message'}{place_of(error)}"
            return Verdict(
                self.subject,
                self.name,
                "known failure" if self.known else "failed",
                self.known or reason,
            )
        if self.known:
            return Verdict(
                self.subject,
                self.name,
                "failed",
                f"passes, although declared to fail: {self.known}",
            )
        return Verdict(self.subject, self.name, "passed")


Bodies = Mapping[str, Callable[[], None]]
"""Check name -> what it does: returns when all is well, raises AssertionError with one sentence, or
Skip.
"""
