"""A real browser: the system's Chromium, driven by Playwright. Where there is none, the tests skip and say so."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
# The state of a view: what the page has drawn since it was opened.
DRAWN = "() => Number(document.documentElement.dataset.rendered ?? 0)"
# The table of the open tab, as it is on screen.
TABLE = """() => [...document.querySelectorAll("#explore-table tbody tr:has(td)")].map((row) => ({
    name: row.querySelector("th > button, th > span").textContent,
    code: row.querySelector(".code").textContent,
    bars: row.querySelectorAll(".bars i").length,
    apart: row.parentElement.classList.contains("apart"),
    ...Object.fromEntries([...row.querySelectorAll("td")].map(
        (cell) => [cell.classList[1], cell.dataset.cents ?? cell.textContent])),
}))"""


def pytest_collection_modifyitems(items) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


def program() -> str | None:
    """The browser of this machine."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(
    scope="module"
)  # after the stand-ins of a module: Dagster does not like to run inside Playwright's loop
def chromium() -> Iterator[Any]:
    if program() is None:
        pytest.skip(f"no Chromium on this machine: install one of {', '.join(NAMES)}, or set CHROMIUM to its path")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=list(QUIET))
        yield browser
        browser.close()


@dataclass
class Dashboard:
    """A page that is open: `asked` are the requests it made beyond its own file, `faults` what went wrong in it."""

    page: Any
    asked: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def open(self, file: Path, link: str = "") -> "Dashboard":
        self.page.goto(f"{file.as_uri()}{'#' + link if link else ''}")
        self.page.wait_for_function("() => document.documentElement.dataset.rendered")
        return self

    @contextmanager
    def redrawn(self) -> Iterator[None]:
        """Waits until the page has drawn what is done inside."""
        before = self.page.evaluate(DRAWN)
        yield
        self.page.wait_for_function(f"before => ({DRAWN})() > before", arg=before)

    def choose(self, name: str, value: str) -> None:
        """A choice of `span` or `side`."""
        control = self.page.locator(f'input[name="{name}"][value="{value}"]')
        if not control.is_checked():
            with self.redrawn():
                control.check()

    def year(self, year: int) -> None:
        if self.page.locator("#year").input_value() != str(year):
            with self.redrawn():
                self.page.select_option("#year", str(year))

    def tick(self, name: str, on: bool) -> None:
        if self.page.locator(f"#{name}").is_checked() != on:
            with self.redrawn():
                self.page.locator(f"#{name}").set_checked(on)

    def tab(self, name: str) -> None:
        if self.page.locator(f"#tab-{name}").get_attribute("aria-selected") != "true":
            with self.redrawn():
                self.page.click(f"#tab-{name}")

    def reset(self) -> None:
        with self.redrawn():
            self.page.click("#reset")

    def table(self) -> list[dict[str, Any]]:
        """Every row of the open tab's table; money is in cents."""
        if self.page.locator("#explore-more").is_visible():
            with self.redrawn():
                self.page.click("#explore-more")
        return self.page.evaluate(TABLE)

    def drill(self, name: str) -> None:
        self.table()  # all rows
        with self.redrawn():
            self.page.locator("#explore-table tbody").get_by_role("button", name=name, exact=True).first.click()

    def cards(self) -> dict[str, int]:
        """Cents by card: Revenue, Spending, Net."""
        found = self.page.evaluate(
            "() => [...document.querySelectorAll('.card')].map((card) =>"
            " [card.querySelector('dt').textContent, card.querySelector('strong').dataset.cents])"
        )
        return {name: int(cents) for name, cents in found}

    def figure(self, name: str) -> dict[str, Any]:
        """A figure's rows, exact, and the SQL shown for it: from the dialog and from the CSV, as a reader gets them."""
        self.page.locator(f'[data-sql="{name}"]').click()
        sql = self.page.locator("#sql-text").text_content()
        self.page.click("#sql-close")
        with self.page.expect_download() as download:
            self.page.locator(f'[data-csv="{name}"]').click()
        return {"sql": sql, "csv": download.value.path().read_text(encoding="utf-8-sig")}


@pytest.fixture
def window(chromium):
    """Opens pages, each in a profile of its own; none may ask for anything or go wrong."""
    opened: list[tuple[Any, Dashboard]] = []

    def open_page(file: Path, link: str = "", width: int = 1280, height: int = 900, **options: Any) -> Dashboard:
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        dashboard = Dashboard(context.new_page())
        page = dashboard.page
        page.on(
            "request", lambda request: request.url.startswith(("file:", "blob:")) or dashboard.asked.append(request.url)
        )
        page.on("pageerror", lambda error: dashboard.faults.append(str(error)))
        page.on("console", lambda message: message.type == "error" and dashboard.faults.append(message.text))
        page.on("dialog", lambda dialog: (dashboard.faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        opened.append((context, dashboard))
        return dashboard.open(file, link)

    yield open_page
    for context, dashboard in opened:
        context.close()
        assert not dashboard.asked, dashboard.asked
        assert not dashboard.faults, dashboard.faults
