"""A load takes place whole or not at all, one after the other, and says what is wrong in words."""

import threading
import time

import pytest

from sf_transactions.local.portal import Portal
from sf_transactions.model import LOAD
from sf_transactions.resources.warehouse import Warehouse, WarehouseError, execute
from sf_transactions.resources.warehouse_errors import with_fix
from sf_transactions_tests.integration.cutting_proxy import ANSWER, BEFORE, CuttingProxy
from sf_transactions_tests.integration.pipeline import pipeline
from sf_transactions_tests.rows import published

YEARS = (2017, 2019)
ROWS = [{"fiscal_year": str(year), "amount": f"{year}.10"} for year in range(2017, 2020) for _ in range(3)]
LOADING = "group:redshift"


@pytest.fixture(scope="module")
def portal():
    portal = Portal(published(*ROWS)).start()
    yield portal
    portal.stop()


@pytest.fixture(scope="module")
def loaded(tmp_path_factory, portal):
    with pipeline(tmp_path_factory.mktemp("load") / "home") as started:
        run = started.run(portal.url, *YEARS)
        assert run.success, run.errors
        yield started


def proxied(loaded, decide):
    return CuttingProxy(int(loaded.settings.redshift_port), decide)


def loads(loaded) -> int:
    return loaded.query(f"select count(*) from {LOAD.qualified}")[0][0]


@pytest.fixture(autouse=True)
def forgotten(loaded):
    """A warehouse that does not know which load stands takes one in again."""
    loaded.execute(f"delete from {LOAD.qualified}")


def test_a_load_that_stands_is_not_loaded_again(loaded, portal):
    assert loaded.run(portal.url, *YEARS, select=LOADING).success
    before, count = loaded.state(), loads(loaded)
    with proxied(loaded, lambda number, statement: None) as proxy:
        run = loaded.run(portal.url, *YEARS, select=LOADING, redshift_port=str(proxy.port))
        assert not any(statement.startswith("COPY") for statement in proxy.statements)
    assert run.success, run.errors
    assert "nothing is loaded twice" in run.told
    assert loads(loaded) == count
    assert loaded.state() == before


@pytest.mark.parametrize(
    "changed",
    [
        "update report.transaction set amount = amount + 1 where fiscal_year = 2018",
        "update report.transaction set amount = amount + 2018 - fiscal_year",  # the sum of all is the same
        pytest.param(
            "insert into report.transaction select * from report.transaction where fiscal_year = 2018",
            marks=pytest.mark.full,
        ),
        pytest.param(
            "update report.transaction set program_id = program_id + 1 where fiscal_year = 2018", marks=pytest.mark.full
        ),
        "delete from report.transaction_published where fiscal_year = 2018",
        pytest.param(
            "update report.transaction_published set published_id = published_id + 1 where fiscal_year = 2018",
            marks=pytest.mark.full,
        ),
        pytest.param("delete from report.published_codes", marks=pytest.mark.full),
    ],
)
def test_a_load_whose_rows_were_changed_since_is_loaded_again(loaded, portal, changed):
    assert loaded.run(portal.url, *YEARS, select=LOADING).success
    before = loaded.state()
    loaded.execute(changed)
    run = loaded.run(portal.url, *YEARS, select=LOADING)
    assert run.success, run.errors
    assert "loaded again" in run.told
    assert run.shares.keys() == run.checks.keys()  # every check of the warehouse tells of how many rows
    assert set(run.shares.values()) == {0}
    assert loaded.state() == before


@pytest.mark.full
def test_evidence_of_other_years_is_read_from_the_file_that_was_loaded_last_and_else_from_the_warehouse(loaded, portal):
    def asked(first: int, last: int) -> bool:
        """Whether the codes of these years asked the warehouse for rows of evidence."""
        with proxied(loaded, lambda number, statement: None) as proxy:
            run = loaded.run(portal.url, first, last, select="group:codes", redshift_port=str(proxy.port))
        assert run.success, run.errors
        assert {each["fiscal_years_of_evidence"] for key, each in run.materialized.items() if "fund" in key} == {3}
        evidence = [each for each in proxy.statements if "from report.fund_evidence" in each]
        assert evidence
        return any("group by" not in each for each in evidence)

    assert loaded.run(portal.url, *YEARS, select=LOADING).success
    assert not asked(2019, 2019)
    loaded.execute("update report.fund_evidence set row_count = row_count + 1 where fiscal_year = 2017")
    assert asked(2019, 2019)
    loaded.execute("update report.fund_evidence set row_count = row_count - 1 where fiscal_year = 2017")
    assert not asked(2019, 2019)
    loaded.execute(f"delete from {LOAD.qualified}")  # as if another machine had loaded since
    assert asked(2019, 2019)
    assert loaded.run(portal.url, *YEARS).success


@pytest.mark.full
def test_a_lost_connection_is_tried_again_within_the_run(loaded, portal):
    before, count = loaded.state(), loads(loaded)
    lost: list[str] = []

    def once(number: int, statement: str) -> str | None:
        if statement.startswith("INSERT INTO report.type") and not lost:
            lost.append(statement)
            return BEFORE
        return None

    with proxied(loaded, once) as proxy:
        run = loaded.run(portal.url, *YEARS, select=LOADING, redshift_port=str(proxy.port))
    assert run.success, run.errors
    assert lost and "tried again" in run.told
    assert loaded.state() == before
    assert loads(loaded) == count + 1


def test_ids_and_codes_are_compared_again_only_when_the_warehouse_holds_others(loaded, portal):
    def compared() -> int:
        with proxied(loaded, lambda number, statement: None) as proxy:
            run = loaded.run(portal.url, *YEARS, select=LOADING, redshift_port=str(proxy.port))
        assert run.success, run.errors
        assert run.checks["redshift/fund:many_to_one"] and run.checks["redshift/transaction:dimensions_found"]
        return sum("having count" in statement for statement in proxy.statements)

    assert loaded.run(portal.url, *YEARS, select=LOADING).success
    assert compared() == 0
    loaded.execute("update report.fund set fund_code = fund_code || '9'")
    assert compared() > 0


def test_a_load_whose_commit_took_place_but_was_not_answered_is_not_loaded_twice(loaded, portal):
    count, lost = loads(loaded), []

    def commit_of_the_load(number: int, statement: str) -> str | None:
        if statement.lower() == "commit" and any("INSERT INTO report.load " in each for each in proxy.statements):
            lost.append(number)
            return ANSWER if len(lost) == 1 else None
        return None

    with proxied(loaded, commit_of_the_load) as proxy:
        run = loaded.run(portal.url, *YEARS, select=LOADING, redshift_port=str(proxy.port))
        copies = [statement for statement in proxy.statements if statement.startswith("COPY staging_transaction (")]
    assert run.success, run.errors
    assert "nothing is loaded twice" in run.told
    assert len(copies) == 1
    assert loads(loaded) == count + 1


def test_a_connection_that_is_lost_every_time_fails_the_run_and_changes_nothing(loaded, portal):
    before, count = loaded.state(), loads(loaded)
    with proxied(loaded, lambda number, statement: BEFORE if "report.type_evidence" in statement else None) as proxy:
        run = loaded.run(portal.url, *YEARS, select=LOADING, redshift_port=str(proxy.port))
    assert not run.success
    assert any("no connection" in error for error in run.errors)
    assert loaded.state() == before
    assert loads(loaded) == count


def test_a_second_load_waits_for_the_first(loaded, portal):
    count, done = loads(loaded), threading.Event()

    def second() -> None:
        assert loaded.run(portal.url, *YEARS, select=LOADING).success
        done.set()

    with Warehouse.from_settings(loaded.settings).connect() as first:
        execute(first, f"LOCK TABLE {LOAD.qualified}")
        thread = threading.Thread(target=second)
        thread.start()
        assert not done.wait(2)
        assert loads(loaded) == count
        first.rollback()
    thread.join(30)
    assert done.is_set()
    assert loads(loaded) == count + 1


def test_a_load_that_waits_too_long_says_for_what(loaded):
    warehouse = Warehouse.from_settings(loaded.settings)
    with warehouse.connect() as first, warehouse.connect() as second:
        execute(first, f"LOCK TABLE {LOAD.qualified}")
        execute(second, "SET statement_timeout TO 100")
        began = time.monotonic()
        with pytest.raises(WarehouseError) as caught:
            execute(second, f"LOCK TABLE {LOAD.qualified}")
        assert caught.value.code == "57014" and not caught.value.retryable
        assert time.monotonic() - began >= 0.1


@pytest.mark.full
def test_a_load_of_other_years_that_came_in_between_is_told_and_nothing_is_loaded(loaded, portal):
    assert loaded.run(portal.url, 2018).success
    loaded.execute("update report.fund_evidence set row_count = row_count + 1 where fiscal_year = 2017")
    loaded.execute(f"insert into {LOAD.qualified} select 'other', 'other', getdate(), 2017, 2017, 1")
    before = loaded.state()
    run = loaded.run(portal.url, 2018, select=LOADING)
    assert not run.success
    assert any("report.fund_evidence: another load was committed" in error for error in run.errors)
    assert loaded.state() == before
    assert loaded.run(portal.url, *YEARS).success


@pytest.mark.full
def test_a_view_of_other_columns_than_the_one_that_stands_takes_its_place_within_the_load(loaded, portal):
    loaded.execute("drop view report.average_amount_by_side")
    loaded.execute("create view report.average_amount_by_side as select 1 as outdated")
    before = loaded.state()
    run = loaded.run(portal.url, *YEARS, select=LOADING)
    assert run.success, run.errors
    assert loaded.query("select count(*) from report.average_amount_by_side where transactions > 0")[0][0] == 3
    assert loaded.state() == before


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"aws_region": "eu-west-1"}, "the bucket lies in another region"),
        ({"redshift_database": "elsewhere"}, "check REDSHIFT_DATABASE"),
        ({"redshift_ssl": "true"}, "speaks no TLS"),
    ],
    ids=["wrong region", "wrong database", "no TLS"],
)
def test_a_setting_that_is_wrong_is_named_with_what_to_do(loaded, portal, monkeypatch, changed, words):
    if "aws_region" in changed:
        monkeypatch.setenv("AWS_DEFAULT_REGION", changed.pop("aws_region"))
    run = loaded.run(portal.url, *YEARS, select=LOADING, **changed)
    assert not run.success
    assert any(words in error for error in run.errors), run.errors


@pytest.mark.parametrize(
    ("said", "fix"),
    [
        ("String length exceeds DDL length: 301 bytes for VARCHAR(300)", "widen the column"),
        ("User x is not authorized to assume IAM Role y", "sf-transactions provision"),
        ("S3ServiceException:Access Denied,Status 403,Error AccessDenied", "may not read the bucket"),
        ("Problem reading manifest: the mandatory file s3://a/b does not exist", "materialize s3/* again"),
        ("disk full [53100]", "no room"),
    ],
)
def test_what_the_warehouse_says_comes_with_what_to_do(said, fix):
    assert with_fix(said).startswith(said) and fix in with_fix(said)
