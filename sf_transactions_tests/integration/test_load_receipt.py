"""The receipt of a run: every hop counted, and the first one that differs named."""

import json
from decimal import Decimal

import boto3
import pytest

from sf_transactions.local.portal import Portal
from sf_transactions_tests.integration.pipeline import pipeline
from sf_transactions_tests.rows import published

YEARS = (2018, 2019)
ROWS = [
    {"fiscal_year": "2018", "amount": "10.25"},
    {"fiscal_year": "2018", "amount": "-3", "revenue_or_spending": "Revenue"},
    {"fiscal_year": "2019", "amount": "7"},
]
RECEIPT = "report/load_receipt"


@pytest.fixture(scope="module")
def portal():
    portal = Portal(published(*ROWS)).start()
    yield portal
    portal.stop()


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    with pipeline(tmp_path_factory.mktemp("receipt") / "home") as started:
        yield started


def test_a_run_leaves_a_receipt_in_the_warehouse_in_the_metadata_and_in_a_file(started, portal):
    run = started.run(portal.url, *YEARS)
    assert run.success, run.errors
    assert run.checks[f"{RECEIPT}:every_hop_agrees"]
    rows = started.query(
        "select fiscal_year, revenue_or_spending, portal_rows, portal_amount, raw_amount, star_amount, warehouse_rows,"
        " warehouse_amount, views_rows, views_amount, first_difference from report.load_receipt order by 1, 2"
    )
    assert rows == [
        (year, side, 1, amount, amount, amount, 1, amount, 1, amount, "")
        for year, side, amount in (
            (2018, "Revenue", Decimal("-3.00")),
            (2018, "Spending", Decimal("10.25")),
            (2019, "Spending", Decimal("7.00")),
        )
    ]
    (file,) = (started.settings.home / "receipts").glob("*.json")
    assert [(row["fiscal_year"], row["views_amount"]) for row in json.loads(file.read_text())] == [
        ("2018", "-3.00"), ("2018", "10.25"), ("2019", "7.00")
    ]  # fmt: skip
    told = run.materialized[RECEIPT]
    assert (told["revenue"], told["spending"]) == ("-3.00 dollars in 1 rows", "17.25 dollars in 2 rows")
    assert told["fiscal_years_fetched"] == "2018, 2019"
    assert told["checks"].endswith(" passed, 0 failed")
    assert {row["stage"] for row in told["seconds"] if float(row["seconds"])} >= {"raw", "star", "redshift"}
    assert run.materialized[RECEIPT]["load_id"] == started.query("select load_id from report.load")[0][0]
    assert started.query("select count(*) from report.load_receipt r join report.load l using (run_id, load_id)") == [
        (3,)
    ]
    (line,) = run.of_year[RECEIPT, "2019"]["receipt"]
    key = line["s3_sha256"][:16]
    boto3.client("s3").head_object(
        Bucket=started.settings.s3_bucket, Key=f"transaction/fiscal_year=2019/load_id={key}/part-000.csv.gz"
    )


@pytest.mark.parametrize("hop", ["raw", "s3", "views", pytest.param("warehouse", marks=pytest.mark.full)])
def test_a_difference_fails_the_run_and_names_the_first_hop(started, portal, hop):
    tampered = {"raw": _raw, "s3": _s3, "warehouse": _warehouse, "views": _views}[hop]
    tampered(started)
    run = started.run(portal.url, *YEARS, select=RECEIPT)
    assert not run.success
    (error,) = run.errors
    assert "every_hop_agrees" in error and "fiscal_year 2019" in error and f"first_difference {hop}" in error
    assert started.run(portal.url, *YEARS).success


def _raw(started) -> None:
    import pyarrow.parquet as pq

    path = started.settings.home / "raw" / "fiscal_year=2019" / "transactions.parquet"
    pq.write_table(pq.read_table(path, partitioning=None).slice(0, 0), path)


def _s3(started) -> None:
    s3, bucket = boto3.client("s3"), started.settings.s3_bucket
    (found,) = s3.list_objects_v2(Bucket=bucket, Prefix="transaction/fiscal_year=2019/")["Contents"]
    s3.put_object(Bucket=bucket, Key=found["Key"], Body=b"x" * found["Size"])


def _warehouse(started) -> None:
    started.execute("update report.transaction set amount = amount + 0.01 where fiscal_year = 2019")


def _views(started) -> None:
    definition = "select fiscal_year, revenue_or_spending, transactions, amount from report.average_amount_by_side"
    started.execute(f"create table report.kept as {definition} where fiscal_year <> 2019")
    started.execute("drop view report.average_amount_by_side")
    started.execute("create view report.average_amount_by_side as select * from report.kept")


def test_rows_that_were_set_apart_are_told(started, tmp_path):
    from sf_transactions_tests.integration.scripted_portal import scripted_portal

    rows = [*published(*ROWS).to_pylist(), *published({"fiscal_year": "2019", "amount": "1.005"}).to_pylist()]
    with scripted_portal(*rows) as portal:
        run = started.run(portal.url, *YEARS, quarantine="continue")
    assert run.success, run.errors
    (line,) = run.of_year[RECEIPT, "2019"]["receipt"]
    assert (line["portal_rows"], line["quarantined_rows"], line["star_rows"]) == ("2", "1", "1")
