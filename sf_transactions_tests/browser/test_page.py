"""The page as its readers use it: links, search, keyboard, files, hostile names, large amounts, accessibility."""

import csv
import io
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sf_transactions.dashboard import charts, page
from sf_transactions.dashboard.facts import facts
from sf_transactions.dashboard.quality import Checked, Evaluation
from sf_transactions.dashboard.quality import build as quality
from sf_transactions.local.sample import PUBLISHED_ROWS, generate
from sf_transactions.model import DIMENSIONS as DIMENSIONS_OF_THE_STAR
from sf_transactions_tests.unit.test_dashboard_facts import DIMENSIONS, LARGEST, table

HOSTILE = '<img src=x onerror=alert(1)></script><script>alert("x")</script>'
FORMULAS = ("=1+1", "+1", "-1", "@x", "\tx")
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def written(folder: Path, rows, dimensions=DIMENSIONS, name: str = "Spending and Revenue") -> Path:
    file = folder / "dashboard.html"
    source = page.Source(name, date(2026, 9, 20))
    file.write_text(page.build(facts(table(rows), dimensions), source, charts.bundle), encoding="utf-8")
    return file


def some_rows():
    """Two rows of each fiscal year and member, of either side; member 0 is negative on the spending side."""
    return [
        (year, member, member, member, side, (1 + member + year) * (-5 if side == "Spending" and member == 0 else 137))
        for year in range(2014, 2028)
        for member in range(12)
        for side in ("Revenue", "Spending")
    ]


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    return written(tmp_path_factory.mktemp("page"), some_rows())


def test_a_link_restores_the_view_in_another_window(small, window):
    first = window(small)
    first.year(2019)
    first.choose("span", "5")
    first.choose("side", "spending")
    first.tick("related", True)
    first.tick("exact", True)
    first.tab("type")
    first.drill("character 1")
    first.drill("object 2")
    with first.redrawn():
        first.page.click("#sort-name")
    second = window(small, first.page.url.partition("#")[2])
    assert second.table() == first.table()
    assert second.cards() == first.cards()
    for name in ("chips", "breadcrumb", "shown", "units", "explore-table"):
        assert second.page.locator(f"#{name}").inner_text() == first.page.locator(f"#{name}").inner_text()


def test_a_link_that_names_what_is_not_there_says_so_and_shows_the_rest(small, window):
    dashboard = window(small, "year=2020&type=character+1&type=object+9&tab=wrong&sort=%3Cb%3E")
    assert dashboard.page.locator("#unknown").inner_text() == (
        'The link names "wrong", "<b>", "object 9", which these accounts do not have; it was left out.'
    )
    assert dashboard.page.locator("#chips").inner_text().splitlines()[0] == "Type: character 1"


def test_back_goes_to_the_view_before(small, window):
    dashboard = window(small)
    dashboard.drill("organization_group 1")
    assert dashboard.page.locator("#breadcrumb li").count() == 2
    with dashboard.redrawn():
        dashboard.page.go_back()
    assert dashboard.page.locator("#breadcrumb li").count() == 1


def test_search_finds_any_name_and_code_and_goes_there_by_keyboard(small, window):
    dashboard = window(small)
    dashboard.page.fill("#search", "fund_category 7")
    assert dashboard.page.locator("#found li").first.inner_text().splitlines() == [
        "fund_category 7",
        "Fund category \u203a fund_type 1 \u203a fund 3",
    ]
    with dashboard.redrawn():
        dashboard.page.press("#search", "ArrowDown")
        dashboard.page.press("#search", "Enter")
    assert dashboard.page.locator("#tab-fund").get_attribute("aria-selected") == "true"
    assert [row["name"] for row in dashboard.table()] == ["fund_category 7"]
    dashboard.page.fill("#search", "no such name")
    assert not dashboard.page.locator("#found").is_visible()
    assert dashboard.page.locator("#found-count").text_content() == "0 names found"


@pytest.mark.parametrize("key", ["name", "revenue", "spending", "net", "rows"])
def test_every_column_sorts_both_ways(small, window, key):
    dashboard = window(small)
    seen = []
    for _ in range(2):
        with dashboard.redrawn():
            dashboard.page.click(f"#sort-{key}")
        rows = dashboard.table()
        seen.append([row[key] if key == "name" else int(row[key].replace(",", "")) for row in rows])
    assert sorted(seen[0]) in (seen[0], seen[0][::-1])
    assert sorted(seen[1]) in (seen[1], seen[1][::-1])
    assert len(set(seen[0])) == 1 or seen[0] == seen[1][::-1]


def test_a_negative_amount_has_no_bar(small, window):
    dashboard = window(small, "side=spending&organization=x&program=organization_group+0&program=department+0")
    rows = {row["name"]: row for row in dashboard.table()}
    assert int(rows["program 0"]["amount"]) < 0
    assert rows["program 0"]["bars"] == 0
    assert rows["program 1"]["bars"] == 1


def test_transfer_adjustments_stand_apart_without_a_bar_and_in_the_total(tmp_path, window):
    adjusted = DIMENSIONS["type"].copy()
    adjusted.loc[:3, "character_code"] = "ELU"
    file = written(tmp_path, some_rows(), DIMENSIONS | {"type": adjusted})
    dashboard = window(file, "tab=type&side=spending")
    rows = {row["name"]: row for row in dashboard.table()}
    assert rows["character 0"]["apart"] and rows["character 0"]["bars"] == 0
    assert not rows["character 1"]["apart"]
    assert sum(int(row["amount"]) for row in rows.values()) == dashboard.cards()["Spending"]


def test_amounts_beyond_what_a_number_holds_are_added_exactly(tmp_path, window):
    rows = [(2025, i % 12, 0, 0, "Revenue", LARGEST - i) for i in range(40)]
    rows += [(2025, 0, 0, 0, "Spending", -LARGEST)] * 3
    dashboard = window(written(tmp_path, rows))
    revenue, spending = sum(row[5] for row in rows[:40]), -3 * LARGEST
    assert dashboard.cards() == {"Revenue": revenue, "Spending": spending, "Net": revenue - spending}
    assert dashboard.page.locator(".card.revenue .exact").inner_text() == f"${revenue // 100:,}.{revenue % 100:02d}"


def test_names_from_the_data_are_texts_and_formulas_are_neutralised_in_files(tmp_path, window):
    program = DIMENSIONS["program"].copy()
    program["organization_group"] = HOSTILE
    program["department"] = HOSTILE
    program["program"] = [*FORMULAS, HOSTILE, *(f"plain {i}" for i in range(6))]
    dashboard = window(written(tmp_path, some_rows(), DIMENSIONS | {"program": program}, HOSTILE))
    assert HOSTILE in dashboard.page.locator("header").inner_text()
    assert [row["name"] for row in dashboard.table()] == [HOSTILE]
    dashboard.drill(HOSTILE)
    dashboard.drill(HOSTILE)
    assert {row["name"] for row in dashboard.table()} == set(program["program"])
    rows = list(csv.DictReader(io.StringIO(dashboard.figure("explore")["csv"])))
    assert {row["Program"] for row in rows} == {
        name if name == HOSTILE or name.startswith("plain") else f"'{name}" for name in program["program"]
    }
    negative = [row for row in rows if row["Spending"].startswith("-")]
    assert negative, "amounts are numbers, and are left as they are"
    dashboard.page.fill("#search", "onerror")
    assert dashboard.page.locator("#found li").count() > 0
    assert dashboard.page.locator("img").count() == 0


def test_the_page_shows_no_figure_of_the_side_that_is_left_out(small, window):
    dashboard = window(small, "side=revenue")
    assert list(dashboard.cards()) == ["Revenue"]
    for name in ("who", "net", "funds"):
        assert not dashboard.page.locator(f"#{name}").is_visible()
    for name in ("from", "taxes", "share"):
        assert dashboard.page.locator(f"#{name}").is_visible()


def test_the_change_of_the_chart_of_accounts_is_marked_on_the_trend(small, window):
    dashboard = window(small)
    assert "FY2018:" in dashboard.page.locator("#trend-chart svg").text_content()


def test_a_click_on_the_trend_and_on_a_bar_goes_there(small, window):
    dashboard = window(small)
    with dashboard.redrawn():
        dashboard.page.locator("#trend-chart").click(position={"x": 400, "y": 100})
    assert dashboard.page.locator("#year").input_value() != "2025"
    with dashboard.redrawn():
        dashboard.page.locator("#who-chart .mark-rect path").first.click()
    assert dashboard.page.locator("#breadcrumb li").count() == 2


def test_tabs_and_dialog_work_by_keyboard(small, window):
    dashboard = window(small)
    dashboard.page.focus("#tab-program")
    with dashboard.redrawn():
        dashboard.page.keyboard.press("ArrowRight")
    assert dashboard.page.evaluate("document.activeElement.id") == "tab-type"
    dashboard.page.locator('[data-sql="trend"]').press("Enter")
    assert "GROUP BY t.fiscal_year" in dashboard.page.locator("#sql-text").inner_text()
    dashboard.page.keyboard.press("Escape")
    assert not dashboard.page.locator("#sql").is_visible()
    assert dashboard.page.evaluate("document.activeElement.dataset.sql") == "trend"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_axe_finds_no_violation(small, window, scheme, width):
    from axe_playwright_python.sync_playwright import Axe

    dashboard = window(small, "program=organization_group+1&year=2018", width=width, color_scheme=scheme)
    dashboard.page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    dashboard.page.wait_for_selector("#funds details table")
    dashboard.page.fill("#search", "object")
    for _ in ("page", "dialog"):
        found = Axe().run(dashboard.page, options={"runOnly": {"type": "tag", "values": WCAG}})
        assert found.violations_count == 0, found.generate_report()
        dashboard.page.keyboard.press("Escape")
        dashboard.page.locator('[data-sql="totals"]').click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_no_violation_on_the_quality_page(tmp_path, chromium, scheme, width):
    from axe_playwright_python.sync_playwright import Axe

    runs = [Evaluation("2026-11-25 02:00", False, 2, found=161), Evaluation("2026-11-18 02:00", True, 0, found=159)]
    sample = [{"pair": "fund", "name": HOSTILE, "value": "x" * 300}]
    checked = [
        Checked("codes/profile", f"check_{state}", "It holds.", state == "failed", state, "2 fail", sample, runs)
        for state in ("failed", "warned", "passed", "not run")
    ]
    file = tmp_path / "quality.html"
    file.write_text(quality(checked, HOSTILE, "run", "now", {"Fiscal years": [{"rows": 1}]}), encoding="utf-8")
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    opened = context.new_page()
    opened.goto(file.as_uri())
    for disclosure in opened.locator("summary").all():
        disclosure.press("Enter")
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.get_by_role("columnheader", name="pair").first.is_visible(), "a table of failing rows stays a table"
    found = Axe().run(opened, options={"runOnly": {"type": "tag", "values": WCAG}})
    assert found.violations_count == 0, found.generate_report()
    context.close()


def test_nothing_needs_scrolling_sideways_on_the_narrowest_screen(small, window):
    dashboard = window(small, width=320, height=640)
    assert dashboard.page.evaluate("document.documentElement.scrollWidth") <= 320


def test_every_control_is_large_enough_to_be_hit(small, window):
    dashboard = window(small, width=390)
    assert not dashboard.page.evaluate(
        "() => [...document.querySelectorAll('button, select, input, summary')].filter((each) => each.checkVisibility()"
        " && each.getBoundingClientRect().height < 24 && !each.closest('.check')).map((each) => each.outerHTML)"
    )


def test_a_page_without_rows_says_so(tmp_path, window):
    dashboard = window(written(tmp_path, []))
    assert dashboard.page.locator("main").inner_text().strip() == "No fiscal year is loaded yet."


@pytest.mark.full
def test_the_page_of_as_many_rows_as_are_published_is_below_six_megabytes(tmp_path, window):
    sample = generate(PUBLISHED_ROWS)
    rows, dimensions = {"fiscal_year": sample["fiscal_year"].cast("int64")}, {}
    for dimension in DIMENSIONS_OF_THE_STAR:
        filled = [pc.fill_null(sample[name].cast("string"), "None") for name in dimension.columns]
        ids = pc.binary_join_element_wise(*filled, "|").dictionary_encode().combine_chunks()
        members = pd.DataFrame(
            [text.split("|") for text in ids.dictionary.to_pylist()], columns=list(dimension.columns)
        )
        dimensions[dimension.name] = members.assign(**{dimension.id_column: range(len(members))})
        rows[dimension.id_column] = ids.indices.cast("int64")
    rows["amount"] = sample["amount"].cast(pa.decimal128(18, 2))
    file = tmp_path / "dashboard.html"
    text = page.build(facts(pa.table(rows), dimensions), page.Source("Sample", date(2026, 9, 20)), charts.bundle)
    file.write_text(text, encoding="utf-8")
    assert file.stat().st_size < 6_000_000
    dashboard = window(file, "span=all&related=include")
    whole = pc.sum(rows["amount"]).as_py()
    cards = dashboard.cards()
    assert cards["Revenue"] + cards["Spending"] == int(whole.scaleb(2))
