"""The conformance checks as pytest tests, for plugin authors::

    import pytest

    @pytest.mark.merbench_plugin("myplugin")
    def test_conforms(merbench_check):
        merbench_check()

makes one test of each check of the plugin ``myplugin``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from merbench.testing.verdict import Check


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "merbench_plugin(*names): "
        "the plugins whose conformance checks the fixture merbench_check runs",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "merbench_check" not in metafunc.fixturenames:
        return
    # Imports torch: only where a test asks for it.
    from merbench.api import MerbenchError
    from merbench.host.catalog import Catalog
    from merbench.host.discovery import discover
    from merbench.testing.checks import checks_of

    marks = metafunc.definition.iter_markers("merbench_plugin")
    names = [name for mark in marks for name in mark.args]
    if not names:  # pytest would skip a test that has nothing to check
        pytest.fail(
            "merbench_check checks the plugins that a mark names; "
            'write @pytest.mark.merbench_plugin("NAME") above the test',
            pytrace=False,
        )
    catalog = Catalog(discover())
    try:
        checks = [check for name in names for check in checks_of(catalog, name)]
    except MerbenchError as error:
        pytest.fail(str(error), pytrace=False)
    metafunc.parametrize(
        "merbench_check", [_body(c) for c in checks], ids=[f"{c.subject}: {c.name}" for c in checks]
    )


def _body(check: Check) -> Callable[[], None]:
    def run() -> None:
        verdict = check.run()
        if verdict.status == "skipped":
            pytest.skip(verdict.reason)
        assert verdict.status in ("passed", "known failure"), (
            f"{verdict.subject}, {verdict.check}: {verdict.reason}"
        )

    return run
