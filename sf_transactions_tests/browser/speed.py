"""How fast the dashboard is in a browser: `python -m sf_transactions_tests.browser.speed PAGE` prints its size, its
first paint, when its figures stand, and how long each control takes until all figures and charts are on screen."""

import statistics
import sys
from collections import defaultdict
from pathlib import Path

from playwright.sync_api import sync_playwright

from sf_transactions_tests.browser.conftest import QUIET, program

# In an order in which each is there: name, selector.
CLICKS = (
    ("spending", "input[value=spending]"), ("revenue", "input[value=revenue]"), ("both", "input[value=both]"),
    ("five years", "input[name=span][value='5']"), ("all years", "input[name=span][value=all]"),
    ("related units", "#related"), ("one year", "input[name=span][value='1']"),
    ("a bar", "#who-chart .mark-rect path"), ("a department", "#explore-table .link"), ("sort", "#sort-name"),
    ("tab Type", "#tab-type"), ("a character", "#explore-table .link"), ("an object", "#explore-table .link"),
    ("breadcrumb", "#breadcrumb .link"), ("show all", "#explore-more:not([hidden])"), ("to the cent", "#exact"),
    ("tab Fund", "#tab-fund"), ("a fund type", "#explore-table .link"), ("a fund", "#explore-table .link"),
    ("filter off", "#chips button"), ("reset", "#reset"),
)  # fmt: skip
OPENED = 5  # times that the page is opened
# From the click to the frame after the one in which everything is drawn.
CLICK = """selector => new Promise((done) => {
    const target = document.querySelector(selector);
    if (!target) return done(null);
    const html = document.documentElement, before = html.dataset.rendered, started = performance.now();
    new MutationObserver((_, watching) => {
        if (html.dataset.rendered === before) return;
        watching.disconnect();
        requestAnimationFrame(() => setTimeout(() => done(performance.now() - started)));
    }).observe(html, { attributes: true });
    target.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, view: window }));
})"""


def main(dashboard: str) -> None:
    paint, stands, clicks = [], [], defaultdict(list)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=list(QUIET))
        for _ in range(OPENED):
            page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
            page.goto(Path(dashboard).absolute().as_uri())
            page.wait_for_function("() => document.documentElement.dataset.rendered")
            stands.append(page.evaluate("performance.now()"))
            paint.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
            for name, selector in CLICKS:
                took = page.evaluate(CLICK, selector)
                if took is not None:
                    clicks[name].append(took)
            page.context.close()
        browser.close()
    print(f"size           {Path(dashboard).stat().st_size:,} bytes")
    print(f"first paint    {statistics.median(paint):.0f} ms")
    print(f"figures stand  {statistics.median(stands):.0f} ms")
    for name, taken in clicks.items():
        print(f"{name:<14} {statistics.median(taken):.0f} ms, at most {max(taken):.0f} ms")


if __name__ == "__main__":
    main(*sys.argv[1:])
