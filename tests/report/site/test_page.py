"""The pages in a real browser, from files and without network: sort, filter, open a row, by
keyboard, on a phone.
"""

from __future__ import annotations

import re
import shutil

import pytest

from merbench.report.site.folder import read, tracks
from merbench.report.site.page import track_page
from tests.report.site.test_committed import ROOT
from tests.report.site.test_folder import boards

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return boards(tmp_path_factory.mktemp("pages"))


def test_the_page_holds_its_table_without_scripts(root):
    (folder,) = [read(p) for p in tracks(root) if p.name.endswith("standard")]
    text = track_page(folder.board, folder.scores, {}, home="../index.html")
    assert (
        '<th scope="row">' in text
        and 'aria-sort="none"' in text
        and "https://" not in text.replace("https://www.w3.org", "")
    )
    assert text.count("<tr data-name=") == 4 and "±" in text


def test_the_page_tells_a_stranger_what_it_shows(root):
    """The split, who is ranked with whom, each column, the interval, and the test behind a rank in
    words.
    """
    standard, folds = (
        next(read(p) for p in tracks(root) if p.name.endswith(name))
        for name in ("standard", "folds")
    )
    text = track_page(standard.board, standard.scores, {"x.svg": "a picture"})
    for words in (
        "100 train and 20 validation rows, 60 test rows of 12 videos", "<dt>models</dt><dd>ranked", "<dt>floors</dt>", "<dt>ablations</dt>",
        "<dt>MAE, 95 % interval</dt>", "<dt>Acc-7</dt><dd>seven classes", "in %, higher is better", 'href="x.svg"',
        "not separated from the best",
    ):  # fmt: skip
        assert words in text, words
    assert "best possible predictor" not in text and "tuned, untuned" not in text
    assert re.search(
        r"MAE minus that of merclip: 0\.\d{3}, 95 % interval \[0\.\d{3}, 0\.\d{3}\], "
        r"sign-flip p = 0\.0312 over seeds, corrected p = 0\.0312",
        text,
    )
    assert "2 folds, whose 60 test rows of 12 videos are scored as one set" in track_page(
        folds.board, folds.scores, {}
    )


def test_nothing_of_a_run_can_end_the_script_or_the_markup(root):
    (folder,) = [read(p) for p in tracks(root) if p.name.endswith("standard")]
    board = folder.board
    entries = [
        e.__class__(
            e.name,
            tuple(r.model_copy(update={"caveat": "</script><b>x</b>"}) for r in e.records),
            e.floor,
        )
        for e in board.entries
    ]
    text = track_page(
        board.__class__(board.track, board.metrics, tuple(entries)), folder.scores, {}
    )
    assert "</script><b>" not in text and "<b>x</b>" not in text


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if not CHROMIUM:
        pytest.skip("no chromium on this machine")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as play:
        started = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def page(browser, root):
    """The standard track's page; errors on the console and requests to anything but files fail the
    test.
    """
    context = browser.new_context(viewport={"width": 1200, "height": 900})
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
    opened.goto((root / "index.html").as_uri())
    opened.click("text=sample · sentiment · standard")
    yield opened
    context.close()
    assert not wrong


def names(page):
    return page.eval_on_selector_all(
        "#board tbody > tr[data-name]:not([hidden])", "rows => rows.map(r => r.dataset.name)"
    )


def test_sort(page):
    assert names(page) == ["merclip", "mult", "merclip no-x", "ridge"]
    page.click("thead >> text=MAE ↓")
    assert names(page) == ["merclip", "mult", "merclip no-x", "ridge"]
    page.click("thead >> text=MAE ↓")
    assert names(page) == ["ridge", "merclip no-x", "mult", "merclip"]
    assert page.get_attribute("th:has-text('MAE ↓')", "aria-sort") == "descending"
    page.click("thead >> text=rank")
    assert names(page)[:2] == ["mult", "merclip"] or names(page)[:2] == ["merclip", "mult"]
    assert page.locator("th[aria-sort=ascending]").count() == 1
    page.click("thead >> text=Corr ↑")
    assert (
        page.get_attribute("th:has-text('Corr ↑')", "aria-sort") == "descending"
        and names(page)[-1] == "ridge"
    ), "the best first"


def test_filter(page):
    page.fill("#filter", "MERCLIP no")
    assert names(page) == ["merclip no-x"] and page.inner_text("#count") == "1 of 4 rows"
    page.fill("#filter", "")
    page.uncheck("input[value=floors]")
    assert "ridge" not in names(page) and len(names(page)) == 3


def test_open_a_row(page):
    page.click("button.open >> text=mult")
    detail = page.locator("tr.detail")
    assert (
        "merbench run --model mult" in detail.inner_text()
        and "train.lr=0.001" in detail.inner_text()
    )
    assert detail.locator(".runs tbody tr").count() == 6 and detail.locator("polyline").count() == 6
    assert [w for w in detail.locator("svg text").all_text_contents() if w.startswith("epoch")] == [
        "epoch 1"
    ]
    detail.locator("button.copy").click()
    page.wait_for_function("document.querySelector('tr.detail [role=status]').textContent")
    assert '"width": 64' in detail.inner_text() and "abcdef012345" in detail.inner_text()
    page.click("thead >> text=MAE ↓")
    assert (
        page.eval_on_selector("tr.detail", "d => d.previousElementSibling.dataset.name") == "mult"
    )
    page.click("button.open >> text=mult")
    assert detail.count() == 0


def test_keyboard(page):
    page.focus("#filter")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "open":
            break
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    assert page.locator("tr.detail").count() == 1
    page.focus("thead button")
    page.keyboard.press("Space")
    assert page.get_attribute("thead th:first-child", "aria-sort") == "ascending"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(page, scheme):
    """WCAG AA: text against its ground at 4.5 or more."""
    page.emulate_media(color_scheme=scheme)
    colours = page.evaluate(
        "() => ['main', 'tbody tr.beside td', 'button.open', 'caption'].map(s => "
        "[getComputedStyle(document.querySelector(s)).color, getComputedStyle(document.body).backgroundColor])"
    )

    def light(colour):
        parts = [int(v) / 255 for v in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        return sum(
            w * (v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4)
            for w, v in zip((0.2126, 0.7152, 0.0722), parts, strict=True)
        )

    for ink, paper in colours:
        high, low = sorted((light(ink), light(paper)), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, (scheme, ink, paper)


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


def test_a_phone_needs_no_sideways_scroll_of_the_page(page):
    page.set_viewport_size({"width": 360, "height": 740})
    page.click("button.open >> text=mult")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("document.querySelector('.scroll').scrollWidth") > 360
