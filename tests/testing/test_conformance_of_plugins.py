"""What plugins as a whole must do, and what their authors are told where a check fails."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

import merbench
from merbench.host.why_broken import why_broken
from merbench.testing.checks import _no_torch
from merbench.testing.pytest_plugin import pytest_generate_tests
from merbench.testing.verdict import Check
from tests.testing.test_conformance import Sound, verdicts


class Asserts(Sound):
    def pooled(self, parts):
        raise AssertionError


def test_a_part_that_raises_without_a_word_is_told_by_its_line():
    reason = verdicts(Asserts)["declared width"].reason
    assert reason.startswith("AssertionError: no message (test_conformance_of_plugins.py, line ")


def test_the_line_is_told_of_a_package_that_is_named_as_those_of_merbench():
    folder = f"{Path(merbench.__file__).parent}_mine"
    code = compile("\n1 / 0", f"{folder}/hooks.py", "exec")
    with pytest.raises(ZeroDivisionError) as raised:
        exec(code, {"__name__": "merbench_mine.hooks"})
    frames_of_the_plugin = raised.value.with_traceback(raised.tb.tb_next)
    assert why_broken(frames_of_the_plugin, None).endswith(" (hooks.py, line 2)")


HOOKS = """
from merbench.api import Component, hookimpl

@hookimpl
def merbench_components():
    {imports}
    yield Component(kind="fusion", name="it", target="nowhere:It", summary="")
"""


@pytest.mark.parametrize(("imports", "told"), [("import json", False), ("import torch", True)])
def test_hooks_that_import_torch_as_they_yield_fail(imports, told, tmp_path, monkeypatch):
    (tmp_path / "heavyhooks.py").write_text(HOOKS.format(imports=imports))
    (tmp_path / "torch.py").touch()  # torch itself takes seconds
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    reason = Check("plugin", "it", lambda: _no_torch("heavyhooks")).run().reason
    assert ("imports torch" in reason) == told


def of_a_place(where):
    """A logger."""


def of_nothing():
    """None that can be made of a place."""


@pytest.mark.parametrize(
    ("factory", "reason"), [(of_a_place, ""), (of_nothing, "called as factory(where)")]
)
def test_a_logger_needs_no_settings_and_takes_a_place(factory, reason):
    (verdict,) = verdicts(factory, kind="logger").values()
    assert reason in verdict.reason and bool(reason) == (verdict.status == "failed")


def test_a_test_without_a_mark_is_an_error_and_not_skipped():
    unmarked = SimpleNamespace(iter_markers=lambda name: iter(()))
    asks = SimpleNamespace(fixturenames=["merbench_check"], definition=unmarked)
    with pytest.raises(pytest.fail.Exception, match=r"merbench_plugin\(\"NAME\"\)"):
        pytest_generate_tests(asks)
