"""``python -m tests.report.site.screenshot leaderboards/TRACK/index.html OUT.png``: a page of a board as
a picture for the README.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.report.site.test_page import CHROMIUM, FLAGS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--open", help="Open the row of this name.")
    given = parser.parse_args()
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1180, "height": 620})
        page.goto(given.page.resolve().as_uri())
        for box in page.locator("input[name=group]").all():
            if box.get_attribute("value") != "models":
                box.set_checked(box.get_attribute("value") == "floors")
        if given.open:
            page.click(f"button.open >> text={given.open}")
        page.screenshot(path=given.out)
        browser.close()
    print(f"{given.out}: {given.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
