"""What changed at the portal is found cheaply and fetched exactly, whatever the portal does meanwhile."""

import json
import os
import random
import re
import resource
import stat
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import unquote

import pyarrow.parquet as pq
import pytest

from sf_transactions.local.portal import Fault, Portal
from sf_transactions.local.sample import generate
from sf_transactions.resources.home import Home
from sf_transactions_tests.integration.ingestion.pulling import SMALL, changed, files, holds, in_2018, pull


def test_every_year_arrives_exactly_as_published(served, home):
    run = pull(served, home)
    assert run.success, run.errors
    assert holds(home, SMALL)
    assert not home.spool.joinpath(str(served.rows_updated_at)).exists()


def test_where_nothing_changed_three_requests_tell_and_no_file_is_touched(served, home):
    assert pull(served, home).success
    before = files(home)
    served.requests.clear()
    run = pull(served, home)
    assert run.success, run.errors
    assert len(served.requests) <= 3, served.requests
    assert files(home) == before
    assert run.materialized["raw/transactions"]["dagster/row_count"] == 48


@pytest.mark.parametrize("unknown", [("min(",), ("min(", "distinct")], ids=["no first and last", "nothing distinct"])
def test_a_portal_that_knows_fewer_functions_is_not_asked_more_often(served, home, unknown):
    served.faults = lambda number, path: Fault(status=400) if any(word in unquote(path) for word in unknown) else None
    assert pull(served, home).success
    served.requests.clear()
    assert pull(served, home).success
    assert len(served.requests) <= 3
    served.republish(changed(SMALL, in_2018, amount="99.5"))
    assert pull(served, home).materialized["raw/transactions"]["fetched"] == {"2018": "other rows or dollars"}


def test_a_publication_that_changes_nothing_touches_no_file(served, home):
    assert pull(served, home).success
    before = files(home)
    served.republish(SMALL)
    served.requests.clear()
    assert pull(served, home).success
    assert len(served.requests) <= 3
    assert files(home) == before


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"amount": "1000"}, "other rows or dollars"),
        ({"department": "Department of the people"}, "other names or codes"),
        ({"character_code": "WAGES"}, "other names or codes"),
    ],
)
def test_of_one_changed_year_only_its_pages_are_fetched(served, home, values, reason):
    assert pull(served, home).success
    before = files(home)
    table = changed(SMALL, lambda row: row["fiscal_year"] == "2018" and row["program"] == "Program 7", **values)
    served.republish(table)
    served.requests.clear()
    run = pull(served, home)
    assert run.success, run.errors
    pages = [path for _, path, _ in served.requests if "where" in path]
    assert len(pages) == 3
    assert all("2018" in path for path in pages)
    assert {path.parent.name for path in files(home).items() ^ before.items() for path in path[:1]} == {
        "fiscal_year=2018"
    }
    assert holds(home, table)
    assert run.materialized["raw/transactions"]["fetched"] == {"2018": reason}


def test_a_year_that_was_not_fetched_for_weeks_is_swept_and_stays_when_it_is_the_same(served, home):
    assert pull(served, home).success
    source = json.loads(home.source("2017").read_text())
    home.source("2017").write_text(json.dumps(source | {"fetched_at": source["fetched_at"] - 5 * 7 * 24 * 3600}))
    before = home.raw("2017").stat().st_ino
    run = pull(served, home)
    assert run.materialized["raw/transactions"]["fetched"] == {"2017": "not fetched for 4 weeks"}
    assert home.raw("2017").stat().st_ino == before
    assert json.loads(home.source("2017").read_text())["fetched_at"] >= source["fetched_at"]


def test_a_file_that_is_not_the_one_described_is_fetched_again(served, home):
    assert pull(served, home).success
    pq.write_table(pq.read_table(home.raw("2017"), partitioning=None).slice(1), home.raw("2017"))
    run = pull(served, home)
    assert run.materialized["raw/transactions"]["fetched"] == {"2017": "not here yet"}
    assert holds(home, SMALL)


def test_a_publication_in_the_middle_of_a_pull_starts_it_over(served, home):
    table = changed(SMALL, in_2018, amount="99.5")
    asked = []

    def republish(number: int, path: str) -> None:
        asked.append(path)
        if len(asked) == 8:
            served.republish(table)

    served.faults = republish
    run = pull(served, home)
    assert run.success, run.errors
    assert "starting over" in run.told
    assert holds(home, table)


def test_a_portal_that_publishes_all_the_time_is_given_up_and_the_last_good_state_stays(served, home):
    assert pull(served, home).success
    before = files(home)
    table = changed(SMALL, in_2018, amount="99.5")
    served.republish(table)

    def republish(number: int, path: str) -> None:
        if "where" in path:
            served.republish(table)

    served.faults = republish
    run = pull(served, home)
    assert not run.success
    assert "republished the dataset 3 times while it was being read" in next(iter(run.errors))
    assert {path: seen for path, seen in files(home).items() if home.spool not in path.parents} == before


FAULTS = {
    "throttled": Fault(status=429, retry_after=0),
    "internal error": Fault(status=500),
    "bad gateway": Fault(status=502),
    "unavailable": Fault(status=503),
    "gateway timeout": Fault(status=504),
    "still working": Fault(status=202),
    "cut": Fault(cut=True),
    "reset": Fault(reset=True),
    "rows lost": Fault(lost_rows=1),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_at_every_third_request_is_retried_and_told(served, home, fault):
    served.faults = lambda number, path: fault if number % 3 == 1 else None
    run = pull(served, home)
    assert run.success, run.errors
    assert holds(home, SMALL)
    assert "attempt 1 of 6" in run.told


def test_names_and_codes_that_came_short_are_asked_for_again(served, home):
    struck = []

    def short_once(number: int, path: str) -> Fault | None:
        if "distinct" not in path or struck:
            return None
        struck.append(path)
        return Fault(lost_rows=1)

    served.faults = short_once
    run = pull(served, home)
    assert run.success, run.errors
    assert struck and re.search(r"no counts of the fiscal years \d{4}; attempt 1 of 6", run.told)
    served.republish(changed(SMALL, in_2018, program="Zoo"))
    assert pull(served, home).materialized["raw/transactions"]["fetched"] == {"2018": "other names or codes"}


def test_all_years_arrive_exactly_through_a_mix_of_faults(home):
    table = generate(3000)
    years = sorted({int(year) for year in table["fiscal_year"].to_pylist()})
    chance = random.Random(2019)
    kinds = list(FAULTS.values())
    struck = []

    def mix(number: int, path: str) -> Fault | None:
        fault = chance.choice(kinds) if chance.random() < 0.2 else None
        struck.append(fault)
        return fault

    served = Portal(table, faults=mix).start()
    try:
        run = pull(served, home, years[0], years[-1], door={"page_size": 15})
    finally:
        served.stop()
    assert run.success, run.errors
    assert len(struck) >= 200
    assert sum(fault is not None for fault in struck) >= 30
    assert holds(home, table, years[0], years[-1])


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_home_that_cannot_be_written_is_named_and_stays_as_it_was(served, home):
    assert pull(served, home).success
    before = files(home)
    served.republish(changed(SMALL, in_2018, amount="99.5"))
    folder = home.raw("2018").parent
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        run = pull(served, home)
    finally:
        folder.chmod(stat.S_IRWXU)
    assert not run.success
    assert "cannot be written: Permission denied" in next(iter(run.errors))
    assert files(home) == before


def test_a_disk_that_takes_no_more_is_named_and_the_partition_before_stays(served, home):
    assert pull(served, home).success
    before = files(home)
    served.republish(changed(SMALL, in_2018, amount="99.5"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        run = pull(served, home)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not run.success
    (error,) = run.errors
    assert "cannot be written: File too large; what stood there is untouched. Make room" in error
    assert files(home) == before


@pytest.mark.full
def test_killed_at_any_moment_the_same_command_ends_exactly_with_fewer_requests(tmp_path):
    table = generate(3000)
    years = sorted({int(year) for year in table["fiscal_year"].to_pylist()})
    served = Portal(table, faults=lambda number, path: time.sleep(0.02)).start()
    chance = random.Random(9)

    def command(home: Path) -> subprocess.Popen:
        arguments = ["-m", "dagster", "asset", "materialize", "-m", "sf_transactions", "--select", "raw/transactions"]
        return subprocess.Popen(
            [sys.executable, *arguments, "--partition-range", f"{years[0]}...{years[-1]}"],
            env=os.environ
            | {
                "SF_TRANSACTIONS_HOME": str(home),
                "DAGSTER_HOME": str(tmp_path),
                "DATASF_BASE_URL": served.url,
                "DATASF_YEARS_AT_ONCE": "2",
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    try:
        assert command(tmp_path / "fresh").wait(120) == 0
        fresh = len(served.requests)
        home = Home(path=str(tmp_path / "home"))
        for _ in range(10):
            served.requests.clear()
            with command(home.root) as process:
                moment = chance.randint(1, 12)
                while len(served.requests) < moment and process.poll() is None:
                    time.sleep(0.001)
                process.kill()
        served.requests.clear()
        assert command(home.root).wait(120) == 0
        assert len(served.requests) < fresh
    finally:
        served.stop()
    assert holds(home, table, years[0], years[-1])
