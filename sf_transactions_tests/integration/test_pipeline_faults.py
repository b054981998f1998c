"""Bad input stops a run with one error that names what and where, and leaves the warehouse as it was."""

import contextlib
import gzip
import shutil
import socket
from pathlib import Path

import pytest

from sf_transactions.local.portal import Fault, Portal
from sf_transactions_tests.integration.pipeline import Pipeline, pipeline
from sf_transactions_tests.integration.scripted_portal import scripted_portal
from sf_transactions_tests.rows import published

YEARS = (2017, 2019)
GOOD = published(*({"fiscal_year": str(year), "amount": f"{year}.10"} for year in range(2017, 2020) for _ in range(5)))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """A warehouse in a good state, which no test here changes."""
    with pipeline(tmp_path_factory.mktemp("faults") / "home") as started, serving(GOOD) as portal:
        run = started.run(portal.url, *YEARS)
        assert run.success, run.errors
        yield started


@contextlib.contextmanager
def serving(table, **faults):
    portal = Portal(table, **faults).start()
    try:
        yield portal
    finally:
        portal.stop()


@contextlib.contextmanager
def refused(pipeline: Pipeline, *words: str):
    """The run given to the yielded function fails with these words in its one error, and nothing else happens."""
    before = pipeline.state()

    def check(run) -> None:
        assert not run.success
        (error,) = run.errors
        for word in words:
            assert word in error
        assert not any(key.startswith(("redshift/", "report/")) for key in run.materialized)
        for secret in pipeline.secrets():
            assert secret not in run.told

    yield check
    assert pipeline.state() == before


def altered(column: str, value: str | None, row: int = 7):
    rows = GOOD.to_pylist()
    rows[row] |= {column: value}
    return published(*rows)


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_portal_that_is_down(loaded):
    url = f"http://127.0.0.1:{closed_port()}"
    with refused(loaded, url) as check:
        check(loaded.run(url, *YEARS))


def test_a_column_that_the_portal_no_longer_has(loaded):
    with serving(GOOD.drop_columns(["fund_code"])) as portal, refused(loaded, "fund_code") as check:
        check(loaded.run(portal.url, *YEARS))


def test_an_amount_that_is_not_a_number(loaded):
    with (
        scripted_portal(*altered("amount", "one hundred").to_pylist()) as portal,
        refused(
            loaded, "raw/transactions", "fiscal_year 2018", "amount 'one hundred' is no number of dollars"
        ) as check,
    ):
        check(loaded.run(portal.url, *YEARS))


@pytest.mark.parametrize("fault", [Fault(lost_rows=1), Fault(cut=True)], ids=["rows lost", "body cut"])
def test_a_body_that_is_truncated_every_time(loaded, fault):
    def every_page(number: int, path: str) -> Fault | None:
        return fault if "where" in path else None

    with serving(GOOD, faults=every_page) as portal, refused(loaded, portal.url) as check:
        check(loaded.run(portal.url, *YEARS))


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("revenue_or_spending", "Sideways", ("raw/transactions", "fiscal_year 2018", "revenue_or_spending 'Sideways'")),
        ("related_govt_units", "Maybe", ("raw/transactions", "fiscal_year 2018", "related_govt_units 'Maybe'")),
        ("fiscal_year", "2051", ("raw/transactions", "fiscal_year 2051", "rows 1")),
        ("program", "p" * 301, ("codes/program", "column program", "longer than 300 bytes", "p" * 301)),
    ],
    ids=["side", "related units", "fiscal year", "text too long"],
)
def test_a_value_that_the_model_does_not_know(loaded, column, value, words):
    with serving(altered(column, value)) as portal, refused(loaded, *words) as check:
        check(loaded.run(portal.url, *YEARS))


def test_a_bucket_that_is_not_there(loaded):
    with serving(GOOD) as portal, refused(loaded, "bucket-of-nobody") as check:
        check(loaded.run(portal.url, *YEARS, s3_bucket="bucket-of-nobody"))


def test_a_wrong_password_of_the_warehouse(loaded):
    with serving(GOOD) as portal, refused(loaded, "password authentication failed") as check:
        run = loaded.run(portal.url, *YEARS, redshift_password="not-the-password")
        check(run)
        assert "not-the-password" not in run.told


def test_a_warehouse_that_is_down(loaded):
    port = str(closed_port())
    with serving(GOOD) as portal, refused(loaded, "cannot connect to the warehouse", port) as check:
        check(loaded.run(portal.url, *YEARS, redshift_port=port))


@contextlib.contextmanager
def swapped(path: Path, other: Path):
    """`other`'s content in the place of `path`'s, for a while."""
    kept = path.with_suffix(".kept")
    shutil.copy(path, kept)
    shutil.copy(other, path)
    try:
        yield
    finally:
        kept.replace(path)


def test_a_host_key_that_is_not_the_pinned_one(loaded):
    keys = loaded.settings.home / "keys"
    with (
        serving(altered("amount", "1.00")) as portal,
        swapped(keys / "host_key.pub", keys / "client_key.pub"),
        refused(loaded, "host key") as check,
    ):
        check(loaded.run(portal.url, *YEARS))


def test_a_login_that_is_refused(loaded):
    keys = loaded.settings.home / "keys"
    with (
        serving(altered("amount", "1.00")) as portal,
        swapped(keys / "client_key", keys / "host_key"),
        refused(loaded, "sf-transactions", "refused") as check,
    ):
        check(loaded.run(portal.url, *YEARS))


def test_a_line_that_copy_refuses(loaded):
    part = loaded.settings.home / "star" / "transaction" / "fiscal_year=2018" / "part-000.csv.gz"
    kept = part.read_bytes()
    lines = gzip.decompress(kept).decode().splitlines(keepends=True)
    lines[3] = lines[3].replace("2018.10", "many")
    assert "many" in lines[3]
    part.write_bytes(gzip.compress("".join(lines).encode()))
    try:
        with refused(
            loaded, "report.transaction", "fiscal_year=2018", "line 4", "column amount, value 'many'"
        ) as check:
            check(loaded.run("http://127.0.0.1:9", *YEARS, select="group:s3 or group:redshift"))
    finally:
        part.write_bytes(kept)
