"""The aggregates and the dashboard, made by the real assets from the stand-in warehouse."""

import contextlib
import csv
import io
import json
import re
import shutil
from collections.abc import Iterator
from decimal import Decimal

import pytest
from click.testing import CliRunner

from sf_transactions.cli import main
from sf_transactions.dashboard import page
from sf_transactions.ddl import read, views
from sf_transactions.local.portal import Portal
from sf_transactions.local.sample import generate
from sf_transactions.model import SIDES
from sf_transactions_tests.integration.pipeline import pipeline

YEARS = (2017, 2018)
TABLE = generate(4000)


@pytest.fixture(scope="module")
def sample():
    portal = Portal(TABLE).start()
    yield portal
    portal.stop()


@pytest.fixture(scope="module")
def loaded(tmp_path_factory, sample):
    """A warehouse with two years on both sides of the new chart of accounts, and what the run made."""
    with pipeline(tmp_path_factory.mktemp("report") / "home") as standing:
        run = standing.run(sample.url, *YEARS)
        assert run.success, run.errors
        yield standing, run


def dashboard_of(standing) -> str:
    return standing.settings.home.joinpath("dashboard.html").read_text(encoding="utf-8")


def totals(text: str) -> dict[tuple[int, str], tuple[int, Decimal]]:
    """Rows and dollars by fiscal year and side that a page carries."""
    header, columns = page.carried(text)
    found, start = {}, 0
    for cell, rows in zip(((y, s) for y in header["years"] for s in header["sides"]), header["rows_of"], strict=True):
        found[cell] = (rows, Decimal(int(columns["amount"][start : start + rows].sum())).scaleb(-2))
        start += rows
    return found


def warehouse_totals(standing) -> dict[tuple[int, str], tuple[int, Decimal]]:
    rows = standing.query(
        "select t.fiscal_year, f.revenue_or_spending, count(*), sum(t.amount) from report.transaction t"
        " join report.finance f on f.finance_id = t.finance_id group by 1, 2"
    )
    return {(year, side): (count, Decimal(amount)) for year, side, count, amount in rows}


def ask(*arguments: str):
    return CliRunner().invoke(main, ["report", *arguments])


def test_every_view_adds_up_to_the_fact_and_shows_its_rows_and_day(loaded):
    _, run = loaded
    for view in views():
        assert run.checks[f"report/{view}:sums_to_fact"], view
        assert run.materialized[f"report/{view}"]["preview"], view
        assert run.materialized[f"report/{view}"]["data_as_of"].startswith("2026-09-20"), view
        assert "data:image/svg+xml" in run.materialized[f"report/{view}"]["chart"], view


@pytest.mark.parametrize(
    "view",
    [
        "by_organization",
        pytest.param("taxes_as_revenue", marks=pytest.mark.full),
        pytest.param("transaction_share_by_organization_group", marks=pytest.mark.full),
    ],
)
def test_a_view_that_loses_a_row_stops_the_run_and_is_named(loaded, sample, view):
    standing, _ = loaded
    before = dashboard_of(standing)
    wrong = read(f"report/{view}.sql").replace("FROM report.transaction AS t", "FROM report.short AS t")
    largest = "(select max(transaction_id) from report.transaction join report.finance using (finance_id)"
    standing.execute("drop view if exists report.short")
    standing.execute(
        "create view report.short as select * from report.transaction where transaction_id <>"
        f" {largest} where revenue_or_spending = 'Revenue')"
    )
    try:
        standing.execute(wrong)
        run = standing.run(sample.url, *YEARS, select="key:report/*")
        assert not run.success
        assert any(f"report/{view}, check sums_to_fact" in error for error in run.errors), run.errors
        assert dashboard_of(standing) == before
    finally:
        standing.execute(read(f"report/{view}.sql"))
        standing.execute("drop view report.short")


def test_a_sum_without_related_units_that_has_them_stops_the_run_and_is_named(loaded, sample):
    standing, _ = loaded
    view = "net_by_organization_group"
    standing.execute(read(f"report/{view}.sql").replace("p.related_govt_units = 'Yes'", "p.related_govt_units = 'No'"))
    try:
        run = standing.run(sample.url, *YEARS, select=f"key:report/{view}")
        assert not run.success
        assert any("net_without_related_govt_units" in error for error in run.errors), run.errors
    finally:
        standing.execute(read(f"report/{view}.sql"))


def test_only_the_fiscal_years_that_changed_are_compared_again_and_a_row_that_a_view_lacks_there_is_found(
    loaded, sample
):
    standing, _ = loaded
    view, odd = "by_organization", "1234567.89"
    picture, note = (standing.settings.home / f"report/{view}.svg{suffix}" for suffix in ("", ".json"))
    chosen = "transaction_id = (select max(transaction_id) from report.transaction where fiscal_year = 2017)"
    ((amount,),) = standing.query(f"select amount from report.transaction where {chosen}")
    lacking = f"(select * from report.transaction where amount <> {odd}) AS t"

    def compared():
        run = standing.run(sample.url, *YEARS, select=f"key:report/{view}")
        return run, json.loads(note.read_text())

    try:
        standing.execute(read(f"report/{view}.sql").replace("report.transaction AS t", lacking))
        run, before = compared()
        assert run.success
        drawn = picture.stat().st_mtime_ns
        standing.execute(f"update report.transaction set amount = amount + 0.01 where {chosen}")
        run, after = compared()
        assert run.success
        assert after["years"]["2018"] == before["years"]["2018"]
        assert after["years"]["2017"] != before["years"]["2017"]
        assert after["first_rows"] == before["first_rows"]
        assert picture.stat().st_mtime_ns == drawn  # the year that it shows is another
        standing.execute(f"update report.transaction set amount = {odd} where {chosen}")
        run, _ = compared()
        assert not run.success
        (error,) = run.errors
        assert f"report/{view}, check sums_to_fact" in error and "fiscal_year 2017" in error, error
        assert "2018" not in error
    finally:
        standing.execute(f"update report.transaction set amount = {amount} where {chosen}")
        standing.execute(read(f"report/{view}.sql"))


def test_a_view_is_shown_as_before_while_nothing_has_changed_and_anew_when_a_name_has(loaded, sample):
    standing, _ = loaded
    asset = "report/net_by_organization_group"
    file = standing.settings.home / f"{asset}.svg"

    def shown():
        run = standing.run(sample.url, *YEARS, select=f"key:{asset}")
        assert run.success and run.checks[f"{asset}:sums_to_fact"]
        return run.materialized[asset]

    before, drawn = shown(), file.stat().st_mtime_ns
    assert shown() == before
    assert file.stat().st_mtime_ns == drawn
    with organization_groups_renamed(standing):
        after = shown()
        assert {row.split(" | ")[1] for row in after["preview"].splitlines()[2:]} == {"Renamed"}
        assert after["chart"] != before["chart"]
    assert shown() == before


@contextlib.contextmanager
def organization_groups_renamed(standing) -> Iterator[None]:
    """Every organization group of the warehouse is called "Renamed", by hand."""
    standing.execute("create table report.kept as select program_id, organization_group from report.program")
    standing.execute("update report.program set organization_group = 'Renamed'")
    try:
        yield
    finally:
        standing.execute(
            "update report.program set organization_group = kept.organization_group from report.kept"
            " where kept.program_id = program.program_id"
        )
        standing.execute("drop table report.kept")


def test_a_hierarchy_adds_up_to_the_same_total_at_every_level(loaded):
    standing, _ = loaded
    whole = standing.query("select sum(revenue), sum(spending), sum(transactions) from report.by_fiscal_year")
    for view, levels in {
        "by_organization": ("organization_group", "department", "program"),
        "by_type": ('"character"', '"object"', "sub_object"),
        "by_fund": ("fund_type", "fund", "fund_category"),
    }.items():
        for level in levels:
            summed = standing.query(
                f"select sum(r), sum(s), sum(n) from (select {level}, sum(revenue) as r, sum(spending) as s,"
                f" sum(transactions) as n from report.{view} group by 1) as by_level"
            )
            assert summed == whole, (view, level)


def test_transfer_adjustments_stay_in_the_totals_and_are_shown_apart(loaded):
    standing, _ = loaded
    (apart,) = standing.query(
        "select sum(transfer_adjustments_in_revenue), sum(transfer_adjustments_in_spending) from report.by_fiscal_year"
    )
    by_side = standing.query(
        "select f.revenue_or_spending, sum(t.amount) from report.transaction t join report.type y on y.type_id ="
        " t.type_id join report.finance f on f.finance_id = t.finance_id where y.character_code in ('ELS', 'ELU')"
        " group by 1 order by 1"
    )
    assert [*apart] == [amount for _, amount in by_side]
    assert all(amount < 0 for amount in apart)


def test_the_page_carries_what_the_warehouse_holds(loaded):
    standing, run = loaded
    assert totals(dashboard_of(standing)) == warehouse_totals(standing)
    assert run.checks["report/dashboard:control_totals"]
    told = run.materialized["report/dashboard"]
    assert told["data_as_of"] == "2026-09-20"
    assert {
        (int(year), side): (figures[f"{side.lower()}_rows"], Decimal(figures[f"{side.lower()}_dollars"]))
        for (asset, year), figures in run.of_year.items()
        for side in SIDES
        if asset == "report/dashboard"
    } == warehouse_totals(standing)


def test_the_page_stays_when_nothing_has_changed(loaded, sample):
    standing, _ = loaded
    before = standing.settings.home.joinpath("dashboard.html").stat().st_mtime_ns
    assert standing.run(sample.url, *YEARS, select="key:report/dashboard").success
    assert standing.settings.home.joinpath("dashboard.html").stat().st_mtime_ns == before


@pytest.mark.full
def test_a_page_made_on_a_fresh_home_carries_all_years_of_the_warehouse(loaded, sample, tmp_path):
    standing, _ = loaded
    fresh = standing.fresh_home(tmp_path / "home")
    assert fresh.run(sample.url, YEARS[0]).success
    assert totals(dashboard_of(fresh)) == warehouse_totals(standing)


def test_a_star_file_that_is_not_what_the_warehouse_holds_is_not_used(loaded, sample):
    standing, _ = loaded
    home = standing.settings.home
    part, other = (home / "star" / "transaction" / f"fiscal_year={year}" / "part-000.csv.gz" for year in YEARS)
    kept = part.read_bytes()
    shutil.copy(other, part)
    home.joinpath("dashboard.html").unlink()
    try:
        run = standing.run(sample.url, *YEARS, select="key:report/dashboard")
        assert run.success, run.errors
        assert totals(dashboard_of(standing)) == warehouse_totals(standing)
    finally:
        part.write_bytes(kept)


def test_names_on_the_page_are_those_of_the_warehouse_where_the_star_file_has_others(loaded, sample):
    standing, _ = loaded

    def groups() -> set[str]:
        assert standing.run(sample.url, *YEARS, select="key:report/dashboard").success
        header, _ = page.carried(dashboard_of(standing))
        return set(header["hierarchies"]["program"]["nodes"][0]["names"])

    with organization_groups_renamed(standing):
        assert groups() == {"Renamed"}
    assert "Renamed" not in groups()


def test_the_policy_allows_the_scripts_and_the_style_of_the_page_alone(loaded):
    standing, _ = loaded
    text = dashboard_of(standing)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[1]
    style = re.search(r"<style>(.*?)</style>", text, re.S)[1]
    script = re.search(r'<script type="module">(.*?)</script>', text, re.S)[1]
    library = page.payload.expanded(re.search(r'id="library">([^<]*)</script>', text)[1]).decode()
    assert policy == page.policy(style, script, library)
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy


def test_report_lists_the_views(loaded):
    answer = ask()
    assert answer.exit_code == 0
    assert [line for line in answer.output.splitlines() if not line.startswith(" ")] == list(views())


def test_report_prints_csv_and_json_exactly_and_up_to_any_level(loaded):
    standing, _ = loaded
    rows = list(
        csv.DictReader(io.StringIO(ask("by_organization", "--by", "department", "--year", "2017", "--csv").output))
    )
    expected = standing.query(
        "select p.department, sum(case when f.revenue_or_spending = 'Spending' then t.amount else 0 end)"
        " from report.transaction t join report.program p on p.program_id = t.program_id join report.finance f"
        " on f.finance_id = t.finance_id where t.fiscal_year = 2017 group by p.organization_group, p.department"
    )
    assert sorted((row["department"], Decimal(row["spending"])) for row in rows) == sorted(expected)
    found = json.loads(ask("by_fiscal_year", "--json").output)
    assert [Decimal(row["spending"]) for row in found] == [
        amount for (amount,) in standing.query("select spending from report.by_fiscal_year order by fiscal_year desc")
    ]


def test_report_leaves_related_units_out_when_told(loaded):
    standing, _ = loaded
    (row,) = csv.DictReader(
        io.StringIO(
            ask(
                "by_fund", "--by", "fund_type", "--year", "2017", "--without-related-units", "--limit", "1", "--csv"
            ).output
        )
    )
    assert standing.query(
        "select sum(t.amount) from report.transaction t join report.program p on p.program_id = t.program_id"
        " join report.fund d on d.fund_id = t.fund_id join report.finance f on f.finance_id = t.finance_id"
        " where t.fiscal_year = 2017 and p.related_govt_units = 'No' and f.revenue_or_spending = 'Spending'"
        f" and d.fund_type = '{row['fund_type']}'"
    ) == [(Decimal(row["spending"]),)]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("by_year",), "there is no view 'by_year'"),
        (("by_type", "--by", "department"), "by_type has no level 'department': it has character, object, sub_object"),
        (("average_amount_by_side", "--by", "fund"), "it is added up already"),
        (("by_fiscal_year", "--without-related-units"), "has columns of its own without related government units"),
        (("by_type", "--year", "25"), "'25' is neither a fiscal year (2025) nor a range of them"),
        (("by_type", "--csv", "--json"), "--csv or --json, not both"),
    ],
)
def test_report_says_what_it_was_asked_wrongly(loaded, arguments, told):
    answer = ask(*arguments)
    assert answer.exit_code == 2
    assert told in " ".join(answer.output.split())


def test_report_as_a_table_says_what_it_includes_and_of_which_day(loaded):
    told = ask("by_type", "--by", "character", "--limit", "3").output
    assert "As of 2026-09-20." in told
    assert "Related government units included" in told
    assert "more rows" in told
    assert "FY2018 has a new chart of accounts" not in told
    assert "FY2018 has a new chart of accounts" in ask("by_type", "--by", "character", "--limit", "0").output


@pytest.mark.parametrize("width", [80, 100, 200])
def test_report_as_a_table_cuts_no_figure_however_narrow_the_terminal(loaded, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    told = ask("top_fund_types_by_spending", "--year", "2017").output
    assert all(len(line) <= width for line in told.splitlines() if not line.startswith("As of"))
    rows = json.loads(ask("top_fund_types_by_spending", "--year", "2017", "--json").output)
    assert rows
    for row in rows:
        assert f" {row['transactions']:,} " in told
