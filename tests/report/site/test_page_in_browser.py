"""The pages in a real browser: from files, without network, in both themes, on a phone."""

from __future__ import annotations

import re

import numpy as np
import pytest

from merbench.report.folder.read import read, tracks
from merbench.report.site.board_page.page import board_page
from tests.report.made import truth
from tests.report.site.chromium import CHROMIUM, FLAGS
from tests.report.site.many_rows import many_rows
from tests.report.site.test_committed import ROOT


def board_at(root, name="standard"):
    return next(read(p) for p in tracks(root) if p.name.endswith(name))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if not CHROMIUM:
        pytest.skip("no chromium on this machine")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as play:
        started = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=300_000)
        yield started
        started.close()


@pytest.fixture(scope="module")
def tab(browser):
    """A page of the browser, and what went wrong on it: errors on the console, and requests to
    anything but files.
    """
    context = browser.new_context()
    context.set_default_timeout(300_000)  # a busy machine is slow, not wrong
    opened, wrong = context.new_page(), []
    opened.on(
        "console", lambda message: wrong.append(message.text) if message.type == "error" else None
    )
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on(
        "request",
        lambda request: (
            wrong.append(request.url) if not request.url.startswith(("file:", "data:")) else None
        ),
    )
    yield opened, wrong
    context.close()


@pytest.fixture
def page(tab, root):
    """The standard track's page, as a reader of 1280 pixels first sees it."""
    opened, wrong = tab
    wrong.clear()
    opened.set_viewport_size({"width": 1280, "height": 900})
    opened.emulate_media(media="screen", color_scheme="light")
    opened.goto("about:blank")
    opened.goto((root / "sample-sentiment-standard/index.html").as_uri())
    yield opened
    assert not wrong


def names(page):
    return page.eval_on_selector_all(
        "#board tbody > tr[data-name]:not([hidden])", "rows => rows.map(r => r.dataset.name)"
    )


def test_the_list_leads_to_each_board_and_back(page, root):
    page.goto((root / "index.html").as_uri())
    page.click("h3 a:has-text('standard split')")
    assert page.url == (root / "sample-sentiment-standard/index.html").as_uri()
    page.click("text=All boards")
    assert page.url == (root / "index.html").as_uri()


def test_sort_filter_and_fold_stand_in_the_address(page):
    assert names(page) == ["merclip", "mult", "ridge"], "ablations are folded"
    page.click("button.fold")
    assert names(page) == ["merclip", "merclip no-x", "mult", "ridge"]
    page.click("thead >> text=MAE ↓")
    page.click("thead >> text=MAE ↓")
    assert names(page) == ["ridge", "mult", "merclip", "merclip no-x"], "the worst first"
    assert page.get_attribute("th:has-text('MAE ↓')", "aria-sort") == "descending"
    page.click("button.open >> text=mult")
    page.uncheck("input[value=floors]")
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    assert names(page) == ["mult", "merclip", "merclip no-x"], address
    assert page.locator("th[aria-sort=descending]").count() == 1
    assert "merbench run --model mult" in page.inner_text("tr.detail")
    page.fill("#filter", "NO-X")
    assert names(page) == ["merclip no-x"] and page.inner_text("#count") == "1 of 4 rows"
    page.click("thead >> text=Corr ↑")
    assert page.get_attribute("th:has-text('Corr ↑')", "aria-sort") == "descending", "best first"


def test_a_long_board_lays_out_what_the_reader_comes_to(page, tmp_path):
    (tmp_path / "index.html").write_text(board_page(*many_rows(102, seeds=1), {}), encoding="utf-8")
    laid_out = (
        "[...document.querySelectorAll('#board tbody tr')].filter((r) => r.checkVisibility())"
    )
    page.goto((tmp_path / "index.html").as_uri())
    assert page.evaluate(f"{laid_out}.length") == 100
    assert page.locator("#chart > *").count() == 0, "the figure is below the screen"
    assert page.inner_text("#count") == "102 of 102 rows"
    page.click("thead >> text=model")
    page.click("thead >> text=model")
    assert page.evaluate(f"{laid_out}[0].dataset.name") == "model101"
    page.fill("#filter", "model00")
    assert page.evaluate(f"{laid_out}.length") == 10 and not page.is_visible("#further")
    page.fill("#filter", "")
    page.focus("#further")
    page.wait_for_function(f"{laid_out}.length === 102")
    page.goto("about:blank")
    page.goto((tmp_path / "index.html").as_uri() + "#row=model101")
    assert page.evaluate(f"{laid_out}.length") > 102, "what a link opens, and its details"


def test_open_a_row_by_keyboard(page):
    page.focus("#filter")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "open":
            break
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    detail = page.locator("tr.detail")
    assert detail.locator(".runs tbody tr").count() == 6 and detail.locator("polyline").count() == 6
    text = detail.inner_text()
    assert "train.lr=0.001" in text and '"width": 64' in text and "abcdef012345" in text
    detail.locator("button.copy").click()
    page.wait_for_function("document.querySelector('tr.detail [role=status]').textContent")
    heights = page.eval_on_selector_all(".phrase", "spans => spans.map(s => s.offsetHeight)")
    assert len(set(heights)) == 1, "no option of the command is broken between two lines"
    page.click("thead >> text=MAE ↓")
    assert page.eval_on_selector("tr.detail", "d => d.previousElementSibling.dataset.name") == (
        "merclip"
    )
    page.click("button.open >> nth=0")
    assert detail.count() == 0
    page.focus("thead button")
    page.keyboard.press("Space")
    assert page.get_attribute("thead th:first-child", "aria-sort") == "ascending"


def test_marks_of_the_figure_open_their_rows(page):
    marks = page.locator("#chart g[role=button]")
    page.locator("#chart").scroll_into_view_if_needed()
    marks.first.wait_for()
    assert marks.count() == 3 and page.locator("#chart g[tabindex='0']").count() == 1
    stairs = page.get_attribute("#chart .front", "d")
    assert re.fullmatch(r"M[\d.]+,[\d.]+(H[\d.]+V[\d.]+)+H1260", stairs)
    page.focus("#chart g[tabindex='0']")
    page.keyboard.press("ArrowRight")
    label = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert page.inner_text("#chart output") == label
    page.keyboard.press("Enter")
    opened = page.evaluate("document.activeElement.textContent")
    assert label.startswith(opened) and page.locator("tr.detail").count() == 1
    page.check("input[value=parameters]")
    assert "across=parameters" in page.url and marks.count() == 3


CONTRASTS = """() => {
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parts(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !element.checkVisibility()) continue;
    const style = getComputedStyle(element), svg = element.closest("svg");
    const pair = [light(parts(svg ? style.fill : style.color)), light(ground(element))].sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < 4.5) low.push(`${element.tagName} ${element.textContent.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return low;
}"""
OUTSIDE = """() => {
  const wide = document.documentElement.clientWidth, cut = [];
  if (document.documentElement.scrollWidth > wide) cut.push("the page scrolls sideways");
  for (const element of document.querySelectorAll("body *")) {
    if (element.closest(".skip, .scroll, .runs, .chart, .picture, svg, pre") || !element.checkVisibility()) continue;
    const box = element.getBoundingClientRect();
    if (box.width && (box.left < 0 || box.right > wide + 0.5)) cut.push(`${element.tagName} ${element.textContent.trim().slice(0, 30)}`);
    if (element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflowX === "hidden") cut.push(`cut: ${element.textContent}`);
  }
  return cut;
}"""
RATIOS = """async () => {
  const images = [...document.images];
  images.forEach((image) => (image.loading = "eager"));
  await Promise.all(images.map((image) => image.decode()));
  return images.map((image) => [image.getAttribute("height") / image.getAttribute("width"), image.naturalHeight / image.naturalWidth]);
}"""


SHIFTS = """() => new Promise((done) => {
  let total = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) total += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
  requestAnimationFrame(() => requestAnimationFrame(() => done(total)));
})"""


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_text_has_contrast_and_place_in_both_themes(page, root, width):
    page.set_viewport_size({"width": width, "height": 800})
    for place in [root / "index.html", *root.glob("*standard/*.html")]:
        page.goto("about:blank")
        page.goto(f"{place.as_uri()}#row=mult&unfold=merclip")
        for stated, real in page.evaluate(RATIOS):
            assert stated == pytest.approx(real, rel=0.01), "their place is kept before they load"
        assert page.evaluate(SHIFTS) == 0, (place, "what is on the screen moves while it loads")
        page.evaluate("document.querySelector('#chart')?.scrollIntoView()")
        page.wait_for_function("!document.querySelector('#chart:empty')")
        assert page.evaluate(OUTSIDE) == [], place
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            assert page.evaluate(CONTRASTS) == [], (place, theme)


def test_what_the_layout_is_checked_with_finds_what_is_wrong(page):
    assert page.evaluate(OUTSIDE) == page.evaluate(CONTRASTS) == []
    page.evaluate("""() => document.querySelector("main").insertAdjacentHTML("beforeend",
      '<div style="width: 3000px">wide</div><p style="width: 9px; overflow: hidden; white-space: nowrap">cut text</p><p style="color: #999">pale</p>')""")
    assert [words.split()[0] for words in page.evaluate(OUTSIDE)] == ["the", "DIV", "cut:"]
    assert [words.split()[1] for words in page.evaluate(CONTRASTS)] == ["pale:"]
    page.evaluate("""() => new Promise((done) => {
      document.querySelector("main").insertAdjacentHTML("afterbegin", '<div style="height: 300px"></div>');
      requestAnimationFrame(() => requestAnimationFrame(done));
    })""")
    # A busy browser reports it some frames later.
    page.wait_for_function(f"({SHIFTS})().then((total) => total > 0)", timeout=300_000)


def test_predictions_show_targets_only_from_the_readers_own_file(page, root, tmp_path):
    ids, _, y = truth()
    folder = board_at(root)
    runs = [r.run_id for r in folder.records if r.spec.model == "mult"]
    mean = np.mean([folder.predicted[run] for run in runs], axis=0)
    page.click("text=predictions")
    assert not page.is_visible("#columns"), "there is nothing to choose yet"
    page.select_option("#model", "mult")
    assert page.locator("#rows tbody tr").count() == 60 and "target" not in page.inner_text("#rows")
    lines = [
        f'{i.partition("_")[0]},{i.partition("_")[2]},"a ""b"", c",{v}'
        for i, v in zip(ids, y, strict=True)
    ]
    (tmp_path / "label.csv").write_text("\r\n".join(["video_id,clip_id,text,label", *lines]))
    page.set_input_files("#labels", tmp_path / "label.csv")
    page.wait_for_selector("#rows th:has-text('target')")
    worst = np.argmax(np.abs(np.round(mean, 2) - y))
    assert page.inner_text("#rows tbody tr:first-child").split("\t")[:4] == [
        ids[worst], f"{abs(round(mean[worst], 2) - y[worst]):.2f}", f"{y[worst]:g}",
        page.inner_text("#rows tbody tr:first-child td:nth-of-type(3)"),
    ]  # fmt: skip
    assert "targets of 60 of 60 rows" in page.inner_text("#status")
    (tmp_path / "other.tsv").write_text("id\tlabel\nx\t1\n")
    page.set_input_files("#labels", tmp_path / "other.tsv")
    page.wait_for_function("status.textContent.includes('names none of these rows')")


def test_main_metrics_fit_a_desktop_and_a_phone_shows_the_first_whole(page):
    """Of the widest board that there is."""
    if (wide := ROOT / "mosi-sentiment-standard" / "index.html").exists():
        page.goto(wide.as_uri())
    right = "(e) => e.closest('.scroll').getBoundingClientRect().right - e.getBoundingClientRect().right"
    assert page.eval_on_selector("#board th:has-text('Acc-7')", right) >= 0
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.eval_on_selector("#board tbody td[data-v]:nth-of-type(2)", right) >= 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    head = "document.querySelector('#board thead th').getBoundingClientRect().top"
    box = page.locator("#board >> xpath=..")
    box.evaluate("(e) => e.scrollTo(0, 400)")
    assert page.evaluate(head) == pytest.approx(box.bounding_box()["y"], abs=2), "heads stick"


def test_print_shows_what_the_screen_scrolls_to(page):
    """Of the widest board that there is, on A4 across."""
    if (wide := ROOT / "mosi-sentiment-standard" / "index.html").exists():
        page.goto(wide.as_uri())
    page.set_viewport_size({"width": 1040, "height": 700})
    page.emulate_media(media="print")
    assert page.evaluate("document.querySelector('#board').getBoundingClientRect().width") <= 1040
    assert page.evaluate(
        "getComputedStyle(document.querySelector('.scroll')).overflowX"
    ) == "visible" and not page.is_visible(".filters")
