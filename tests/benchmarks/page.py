"""A board's page of 5,000 runs in Chromium: until it is laid out, and until a first sort is."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import CDPSession, sync_playwright

from merbench.report.site.board_page.page import board_page
from tests.report.site.chromium import CHROMIUM, FLAGS
from tests.report.site.many_rows import SEEDS, many_rows

RUNS = 5_000
SETTLED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
SORTED = """() => new Promise((done) => {
  document.querySelector("#board button[data-sort=name]").click();
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now())));
})"""


def measure(repeats: int) -> Iterator[tuple[str, str, str]]:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        file = Path(folder, "index.html")
        file.write_text(board_page(*many_rows(RUNS // SEEDS), {}), encoding="utf-8")
        yield f"page of {RUNS} runs", f"{file.stat().st_size / 1e6:.2f} MB", "3 MB"
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        loaded, used, clock = [], [], []
        for _ in range(repeats):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            session = page.context.new_cdp_session(page)
            session.send("Performance.enable", {"timeDomain": "threadTicks"})
            page.goto(file.as_uri(), timeout=0)
            page.evaluate(SETTLED)
            loaded.append(_metric(session, "ThreadTime"))
            clock.append(page.evaluate(SORTED) / 1000)
            used.append(_metric(session, "ThreadTime"))
            session.send("HeapProfiler.collectGarbage")  # boxes from before the sort still count
            layout = _metric(session, "LayoutObjects")
            page.close()
        browser.close()
    yield "loaded and laid out", f"{min(loaded):.2f} s of CPU", "1 s"
    yield "first sort answered", f"{min(used):.2f} s of CPU, {min(clock):.2f} s", "1 s"
    yield "boxes that are laid out", f"{layout:.0f}", "fewer than 10,000"


def _metric(session: CDPSession, name: str) -> float:
    """Of the page's main thread."""
    values = session.send("Performance.getMetrics")["metrics"]
    return float(next(value["value"] for value in values if value["name"] == name))
