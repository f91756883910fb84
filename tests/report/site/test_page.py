"""The pages, as text and in a real browser: from files, without network, in both themes, on a phone."""

from __future__ import annotations

import dataclasses
import re
import shutil
import tomllib
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merbench.api import DataError
from merbench.report.folder.read import read, tracks
from merbench.report.scores.board.board_scores import (
    Origin,
    with_origins,
)
from merbench.report.site.board_page.details import detail
from merbench.report.site.board_page.matrix import pair_matrix
from merbench.report.site.board_page.page import Image, board_page
from merbench.report.site.interned import interned
from merbench.report.site.site import index
from merbench.report.site.titles import readable
from merbench.results.records.record import Track
from tests.report.folder.test_folder import boards
from tests.report.made import truth
from tests.report.site.many_rows import SEEDS, many_rows
from tests.report.site.test_committed import ROOT

SITE = files("merbench.report.site")
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


def board_at(root, name="standard"):
    return next(read(p) for p in tracks(root) if p.name.endswith(name))


def test_the_page_holds_its_table_without_scripts(root):
    folder = board_at(root)
    text = board_page(folder.board, folder.scores, {}, home="../index.html")
    assert '<th scope="row"' in text and 'aria-sort="none"' in text
    assert not re.search(r"""(src|href)=["']https?:""", text)
    rows = re.findall(r'<tr data-name="([^"]+)" data-group="([^"]+)"(?: data-under="(.+?)")?', text)
    assert rows == [
        ("merclip", "models", ""), ("merclip no-x", "ablations", "merclip"), ("mult", "models", ""), ("ridge", "floors", ""),
    ], "an ablation follows its model"  # fmt: skip


def test_pages_of_a_folder_share_their_styles_and_scripts(root):
    """A page that is sent alone has them inside; one without its script shows its whole table."""
    folder = board_at(root)
    alone = board_page(folder.board, folder.scores, {})
    page = (folder.path / "index.html").read_text()
    assert "--paper: #fff" in alone and "function layOut()" in alone
    assert "--paper: #fff" not in page and "function layOut()" not in page
    for name in re.findall(r'(?:src|href)="\.\./([\w.]+)"', page):
        assert (root / name).is_file(), name
    assert (
        """src="../board.js" onerror="document.documentElement.className = &#39;&#39;\"""" in page
    )


def test_a_floor_stands_among_the_models_by_its_score(root):
    folder = board_at(root)
    rows = folder.scores.rows
    strong = rows | {
        "ridge": rows["ridge"].model_copy(
            update={"seeds": {0: rows["ridge"].seeds[0] | {"mae": 0.55}}}
        )
    }
    text = board_page(folder.board, folder.scores.model_copy(update={"rows": strong}), {})
    assert re.findall('<tr data-name="([^"]+)"', text) == [
        "merclip",
        "merclip no-x",
        "ridge",
        "mult",
    ]


def test_the_page_tells_a_stranger_what_it_shows(root):
    """The split, who is ranked with whom, each column, the interval, the hardware, and the test
    behind a rank in words.
    """
    standard, folds = board_at(root), board_at(root, "folds")
    text = board_page(standard.board, standard.scores, {"x.svg": Image("a picture", 40, 30)})
    for words in (
        "100 train and 20 validation rows, 60 test rows of 12 videos", "<dt>models</dt><dd>ranked", "<dt>floors</dt>", "<dt>ablations</dt>",
        "<dt>MAE, 95 % interval</dt>", "<dt>Acc-7</dt><dd>seven classes", "in %, higher is better", 'src="x.svg" width="40" height="30"',
        "not separated from the best", "CPU, 1 thread (19 runs)", "merclip has the lowest MAE, 0.",
        "the only other row is significantly worse. The strongest floor, ridge, has 1.",
    ):  # fmt: skip
        assert words in text, words
    assert "best possible predictor" not in text and "<dt>searched</dt>" not in text
    assert re.search(
        r"MAE is (0\.\d{3}) worse than that of merclip: paired difference \+\1, 95 % interval "
        r"\[\+0\.\d{3}, \+0\.\d{3}\], sign-flip p = 0\.0312 over seeds, "
        r"corrected p = 0\.0312. Significantly worse\.",
        text,
    )
    assert "2 folds, whose 60 test rows of 12 videos are scored as one set" in board_page(
        folds.board, folds.scores, {}
    )


def test_every_pair_stands_in_the_matrix_with_both_signs(root):
    folder = board_at(root)
    board, scores = folder.board, folder.scores
    (first, (_, worse)), (second, (better, _)) = pair_matrix(scores, board)
    difference = scores.pairs["mult"]["merclip"].difference[0]
    assert (first, second) == ("merclip", "mult")
    assert better.text == f"{difference:+.3f}" and worse.text == f"{-difference:+.3f}"
    assert (worse.verdict, better.verdict) == ("better", "worse"), "merclip errs less"


def test_a_row_names_the_paper_of_its_model_alone(root):
    folder = board_at(root)
    papers = {"merclip": "Song and Cho 2025, arXiv 2506.00903", "other": "not here"}
    address = "https://example.org/x"
    origins = {name: Origin(paper=p, code=address, licence="MIT") for name, p in papers.items()}
    scores = with_origins(folder.scores, folder.board, origins)
    assert scores.papers == {"merclip": papers["merclip"]} and scores.licences == {"merclip": "MIT"}
    entries = {e.name: e for e in folder.board.entries}
    assert detail(entries["merclip no-x"], folder.board, scores)["about"] == {
        "paper": papers["merclip"],
        "code": address,
        "licence of the code": "MIT",
    }
    assert detail(entries["mult"], folder.board, scores)["about"] == {}


def test_nothing_of_a_run_can_end_the_script_or_the_markup(root):
    folder = board_at(root)
    entries = tuple(
        dataclasses.replace(
            e,
            records=tuple(r.model_copy(update={"caveat": "</script><b>x</b>"}) for r in e.records),
        )
        for e in folder.board.entries
    )
    text = board_page(dataclasses.replace(folder.board, entries=entries), folder.scores, {})
    assert "</script><b>" not in text and "<b>x</b>" not in text


@given(st.recursive(st.none() | st.integers(0, 3) | st.text("ab", max_size=50), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)))  # fmt: skip
@settings(deadline=None, max_examples=50)
def test_interned_data_come_back_as_they_were(value):
    value = {"x": value, "y": value, "z": [value]}

    def expand(node, shared):
        if isinstance(node, list):
            return [expand(child, shared) for child in node]
        if not isinstance(node, dict):
            return node
        if "$" in node:
            return expand(shared[node["$"]], shared)
        return {name: expand(child, shared) for name, child in node.items()}

    packed = interned(value)
    assert expand(packed["value"], packed["shared"]) == value


def test_a_run_adds_less_than_300_bytes_to_its_page():
    """So a page of 5,000 runs is under 1.5 MB."""
    board, scores = many_rows(50)
    empty = dataclasses.replace(board, entries=board.entries[:1])
    alone = scores.model_copy(update={"rows": {}, "standings": {}})
    added = len(board_page(board, scores, {})) - len(board_page(empty, alone, {}))
    assert added < 300 * 50 * SEEDS


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ({}, "CMU-MOSI · sentiment · standard split · words + COVAREP"),
        ({"protocol": "folds", "leaks": ["x"]}, "CMU-MOSI · sentiment · folds · words + COVAREP · LEAKS: x"),
        ({"dataset": "mine", "streams": ["a.b"]}, "mine · sentiment · standard split · a.b"),
    ],
)  # fmt: skip
def test_titles_are_those_that_readers_know(title, expected):
    plain = {"dataset": "mosi", "revision": "r", "task": "sentiment", "protocol": "standard", "streams": ["text.words", "audio.covarep73"]}  # fmt: skip
    assert readable(Track(**(plain | title)).title) == expected


def test_streams_that_a_track_can_tell_apart_have_different_names():
    """Those of one task; a stream of another task may have the same name."""
    names = tomllib.loads((SITE / "names.toml").read_text())["streams"]
    for task in ("emotions", "mentions"):
        of_task = [name for stream, name in names.items() if task in stream]
        others = [
            name for stream, name in names.items() if not re.search("emotions|mentions", stream)
        ]
        assert len(set(of_task)) == len(of_task) and len(set(others)) == len(others)


def test_the_bar_of_an_interval_lies_on_the_axis_of_the_ranked_rows(root):
    folder = board_at(root)
    text = board_page(folder.board, folder.scores, {})
    bars = {
        name: [float(end) for end in re.findall(r"--\w:([\d.]+)%", row)]
        for name, row in re.findall(r'<tr data-name="([^"]+)"(.*?)</tr>', text, re.DOTALL)
    }
    intervals = {name: row.intervals["mae"] for name, row in folder.scores.rows.items()}
    low, high = intervals["merclip"][0], intervals["mult"][1]
    assert bars["merclip"][0] == 0 and bars["mult"][2] == 100, "the best and the worst"
    place = 100 * (intervals["mult"][0] - low) / (high - low)
    assert bars["mult"][0] == pytest.approx(place, abs=0.06)
    assert bars["ridge"] == [100, 100, 100], "a floor beyond the axis is set at its end"


def test_an_index_says_whose_boards_these_are(root, tmp_path):
    folders = [read(p) for p in tracks(root)]
    plain = index(folders).decode()
    assert "merclip has the lowest MAE" in plain and "2026-11-20 to 2026-11-25" in plain
    assert re.search(r"</a><i> \[0\.\d+, 0\.\d+\]</i><small>rank 1</small>", plain)
    assert "#row=merclip" in plain
    (root / "about.toml").write_text('title = "Ours"\nrepository = "https://example.org/x"\n')
    text = index(folders).decode()
    assert "<h1>Ours</h1>" in text and "url = {https://example.org/x}" in text
    (root / "about.toml").write_text('tilte = "Ours"\n')
    with pytest.raises(DataError, match=r"about.toml cannot be read .* may hold title, purpose"):
        index(folders)
    (root / "about.toml").unlink()


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
    assert page.evaluate(SHIFTS) > 0


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
