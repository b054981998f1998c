"""Every figure on the page is what SQL on the warehouse says, to the cent, under any filters."""

import csv
import io
import random
import re
from decimal import Decimal
from typing import Any

import pytest

from sf_transactions.ddl import quoted
from sf_transactions.local.portal import Portal
from sf_transactions.local.sample import generate
from sf_transactions.model import CODED_DIMENSIONS, SIDES, TRANSFER_ADJUSTMENTS, code_column
from sf_transactions_tests.integration.pipeline import pipeline

COMBINATIONS = 50
YEARS = (2012, 2022)
FROM = (
    "from report.transaction t join report.program p on p.program_id = t.program_id join report.type y on y.type_id ="
    " t.type_id join report.fund d on d.fund_id = t.fund_id join report.finance f on f.finance_id = t.finance_id"
)
ALIAS = {"program": "p", "type": "y", "fund": "d"}
LEVELS = {dimension.name: dimension.levels for dimension in CODED_DIMENSIONS}
FIGURES = ("totals", "trend", "who", "from", "explore", "net", "funds", "taxes", "share")


@pytest.fixture(scope="module")
def standing(tmp_path_factory):
    portal = Portal(generate(6000)).start()
    with pipeline(tmp_path_factory.mktemp("browser") / "home") as started:
        run = started.run(portal.url, *YEARS)
        assert run.success, run.errors
        portal.stop()
        yield started


@pytest.fixture
def page_file(standing):
    return standing.settings.home / "dashboard.html"


def column(tree: str, level: str) -> str:
    return f"{ALIAS[tree]}.{quoted(level)}"


def where(state: dict[str, Any], years: list[int] | None = None) -> str:
    """The conditions of a state, written apart from the page."""
    wanted = years or state["years"]
    conditions = [f"t.fiscal_year in ({', '.join(map(str, wanted))})"]
    if not state["related"]:
        conditions.append("p.related_govt_units = 'No'")
    for tree, path in state["paths"].items():
        conditions += [
            f"{column(tree, level)} = '{name.replace(chr(39), chr(39) * 2)}'"
            for level, name in zip(LEVELS[tree], path, strict=False)
        ]
    return " and ".join(conditions)


def cents(amount: Decimal | str) -> int:
    return int(Decimal(amount).scaleb(2))


def sides(standing, state, also: str = "") -> dict[str, tuple[int, int]]:
    """Cents and rows of each side."""
    found = standing.query(
        f"select f.revenue_or_spending, sum(t.amount), count(*) {FROM} where {where(state)}{also} group by 1"
    )
    return {side: (0, 0) for side in SIDES} | {side: (cents(amount), rows) for side, amount, rows in found}


def shuffled(dashboard, draw: random.Random, loaded: list[int]) -> dict[str, Any]:
    """Sets every control at random by clicking it, and tells what was chosen."""
    dashboard.reset()
    year, span, side = (
        draw.choice(loaded),
        draw.choice(["1", "1", "5", "all"]),
        draw.choice(["both", "spending", "revenue"]),
    )
    dashboard.year(year)
    dashboard.choose("span", span)
    dashboard.choose("side", side)
    related = draw.random() < 0.5
    dashboard.tick("related", related)
    paths: dict[str, list[str]] = {tree: [] for tree in LEVELS}
    for tree in draw.sample(list(LEVELS), draw.randint(0, 3)):
        dashboard.tab(tree)
        for _ in range(draw.randint(1, 3)):
            rows = [row["name"] for row in dashboard.table()]
            if not rows:
                break
            paths[tree].append(draw.choice(rows[:8]))
            dashboard.drill(paths[tree][-1])
    tab = draw.choice(list(LEVELS))
    dashboard.tab(tab)
    years = {"1": [year], "5": [each for each in loaded if year - 5 < each <= year], "all": loaded}[span]
    return {"years": years, "side": side, "related": related, "paths": paths, "tab": tab}


def assert_table(standing, dashboard, state) -> None:
    """The open tab's rows are the groups one level below the path, with their codes."""
    tree = state["tab"]
    level = LEVELS[tree][min(len(state["paths"][tree]), 2)]
    found = standing.query(
        f"select {column(tree, level)}, {column(tree, code_column(level))}, f.revenue_or_spending, sum(t.amount),"
        f" count(*) {FROM} where {where(state)} group by 1, 2, 3"
    )
    expected: dict[tuple[str, str], dict[str, tuple[int, int]]] = {}
    for name, code, side, amount, rows in found:
        if state["side"] in ("both", side.lower()):
            expected.setdefault((name, code), {each: (0, 0) for each in SIDES})[side] = (cents(amount), rows)
    table = dashboard.table()
    assert {(row["name"], row["code"]) for row in table} == expected.keys()
    for row in table:
        revenue, spending = (expected[row["name"], row["code"]][side] for side in SIDES)
        assert int(row["rows"].replace(",", "")) == revenue[1] + spending[1]
        if state["side"] == "both":
            assert [int(row[key]) for key in ("revenue", "spending", "net")] == [
                revenue[0], spending[0], revenue[0] - spending[0],
            ]  # fmt: skip
        else:
            assert int(row["amount"]) == revenue[0] + spending[0]


def assert_own_sql(standing, dashboard) -> None:
    """What is shown as the SQL of a figure gives the figure."""
    for name in FIGURES:
        if not dashboard.page.locator(f"#{name}").is_visible():
            continue
        figure = dashboard.figure(name)
        rows = list(csv.reader(io.StringIO(figure["csv"])))
        statement = standing.query(figure["sql"])
        titles, shown = rows[0], rows[1:]
        if name in ("totals", "trend"):
            amount = titles.index("US dollars") if name == "totals" else 0
            if name == "totals":
                found = {row[titles.index("Side")]: Decimal(row[amount]) for row in shown}
                assert {side: Decimal(value) for side, value, *_ in statement} == {
                    side: value for side, value in found.items() if side != "Net" and value
                } | {side: Decimal(value) for side, value, *_ in statement if not value}
            else:
                first = titles.index("Status") + 1
                drawn = {int(row[titles.index("Fiscal year")]): [Decimal(v) for v in row[first:]] for row in shown}
                assert {year: [Decimal(v) for v in values] for year, *values in statement}.items() <= drawn.items()
            continue
        width = len(statement[0]) if statement else 0
        numbers = [i for i, value in enumerate(statement[0]) if isinstance(value, Decimal | int)] if statement else []
        code = titles.index("Code")
        wanted = {(row[0], row[1], *(Decimal(row[i]) for i in numbers)) for row in statement}
        kept = [i for i in range(code + 1, len(titles)) if titles[i] not in ("Share", "Change")]
        found = {(row[code - 1], row[code], *(Decimal(row[i]) for i in kept)) for row in shown}
        assert found == wanted, (name, width)


def test_fifty_random_combinations_of_filters_equal_sql_to_the_cent(standing, page_file, window):
    draw = random.Random(2018)
    loaded = [int(year) for (year,) in standing.query("select distinct fiscal_year from report.transaction order by 1")]
    dashboard = window(page_file)
    for number in range(COMBINATIONS):
        state = shuffled(dashboard, draw, loaded)
        expected = {
            side: total for side, total in sides(standing, state).items() if state["side"] in ("both", side.lower())
        }
        net = {"Net": expected["Revenue"][0] - expected["Spending"][0]} if state["side"] == "both" else {}
        assert dashboard.cards() == {side: total[0] for side, total in expected.items()} | net, state
        codes = ", ".join(f"'{code}'" for code in TRANSFER_ADJUSTMENTS)
        apart = sides(standing, state, f" and y.character_code in ({codes})")
        shown = dashboard.page.locator("#adjustments .figure").evaluate_all(
            "all => all.map(e => Number(e.dataset.cents))"
        )
        assert shown == [apart[side][0] for side in expected], state
        assert_table(standing, dashboard, state)
        if number % 10 == 0:
            assert_own_sql(standing, dashboard)


def test_the_trend_is_that_of_the_warehouse_with_and_without_related_units(standing, page_file, window):
    dashboard = window(page_file)
    for related in (False, True):
        dashboard.tick("related", related)
        rows = list(csv.DictReader(io.StringIO(dashboard.figure("trend")["csv"])))
        expected = standing.query(
            "select fiscal_year, revenue, spending from report.by_fiscal_year order by 1"
            if related
            else "select fiscal_year, revenue_without_related_govt_units, spending_without_related_govt_units"
            " from report.by_fiscal_year order by 1"
        )
        assert [(int(r["Fiscal year"]), Decimal(r["Revenue"]), Decimal(r["Spending"])) for r in rows] == expected


# Opens every name of a hierarchy in turn, down to the last level, and adds up each table: the sums of each level, and
# the paths at which a table does not add up to the row that leads to it.
LEVELS_ADDED_UP = """async (tree) => {
    const html = document.documentElement;
    const drawn = async (act) => {
        const before = html.dataset.rendered;
        act();
        while (html.dataset.rendered === before) await new Promise((next) => setTimeout(next));
    };
    const rows = () => [...document.querySelectorAll("#explore-table tbody tr:has(td)")].map((row) => ({
        name: row.querySelector("th > button, th > span").textContent,
        cents: ["revenue", "spending"].map((side) => BigInt(row.querySelector(`td.${side}`).dataset.cents)),
    }));
    const added = (all) => all.reduce(([r, s], { cents }) => [r + cents[0], s + cents[1]], [0n, 0n]);
    const sums = [[0n, 0n], [0n, 0n], [0n, 0n]], wrong = [];
    const visit = async (path, expected) => {
        const link = new URLSearchParams([["span", "all"], ["related", "include"], ["tab", tree],
            ...path.map((name) => [tree, name])]);
        await drawn(() => (location.hash = link));
        if (!document.querySelector("#explore-more").hidden)
            await drawn(() => document.querySelector("#explore-more").click());
        const all = rows(), sum = added(all);
        sums[path.length] = sums[path.length].map((cents, i) => cents + sum[i]);
        if (expected && String(sum) !== String(expected)) wrong.push(path);
        if (path.length < 2) for (const { name, cents } of all) await visit([...path, name], cents);
    };
    await visit([], null);
    return { sums: sums.map((each) => each.map(String)), wrong };
}"""


def test_every_fiscal_year_and_side_is_that_of_the_receipt_to_the_cent(standing, page_file, window):
    dashboard = window(page_file, "span=all&related=include")
    shown = {
        (int(row["Fiscal year"]), side): Decimal(row[side])
        for row in csv.DictReader(io.StringIO(dashboard.figure("trend")["csv"]))
        for side in SIDES
        if Decimal(row[side])
    }
    for hop in ("portal", "warehouse"):
        receipt = standing.query(f"select fiscal_year, revenue_or_spending, {hop}_amount from report.load_receipt")
        assert shown == {(year, side): amount for year, side, amount in receipt if amount}


@pytest.mark.parametrize("tree", LEVELS)
def test_every_level_of_a_hierarchy_adds_up_to_the_receipt_to_the_cent(standing, page_file, window, tree):
    receipt = dict(
        standing.query("select revenue_or_spending, sum(portal_amount) from report.load_receipt group by 1 order by 1")
    )
    whole = [cents(receipt[side]) for side in SIDES]
    dashboard = window(page_file, "span=all&related=include")
    assert [dashboard.cards()[side] for side in SIDES] == whole
    found = dashboard.page.evaluate(LEVELS_ADDED_UP, tree)
    assert found["wrong"] == []
    assert [[int(value) for value in level] for level in found["sums"]] == [whole] * 3


def test_change_is_against_the_period_before_and_marked_where_it_crosses_the_new_chart(standing, page_file, window):
    dashboard = window(page_file, "year=2020&side=spending")
    now, before = (
        sides(standing, {"years": [year], "related": False, "paths": {}})["Spending"][0] for year in (2020, 2019)
    )
    shown = dashboard.page.locator(".card .aside").first.text_content()
    percent = re.match(r"([+\u2212])([\d.]+)", shown)
    signed = float(percent[2]) * (-1 if percent[1] == "\u2212" else 1)
    assert abs(signed - 100 * (now - before) / abs(before)) <= 0.06
    assert not dashboard.page.locator("#crosses").is_visible()
    dashboard.year(2018)
    assert dashboard.page.locator("#crosses").is_visible()
    assert "\u2020" in dashboard.page.locator(".card .aside").first.text_content()
    dashboard.year(2021)
    dashboard.choose("span", "5")
    assert dashboard.page.locator("#crosses").is_visible()
    assert "The comparison crosses FY2018" in dashboard.page.locator("#crosses").inner_text()
    dashboard.choose("span", "all")
    assert dashboard.page.locator("#crosses").inner_text().startswith("The period crosses FY2018")
    assert dashboard.page.locator(".card sup").count() == 0
