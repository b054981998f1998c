"""From the portal to the warehouse, by the real assets over real sockets."""

import subprocess
import sys
from decimal import Decimal

import boto3
import pytest

from sf_transactions.ddl import quoted
from sf_transactions.local.portal import Portal
from sf_transactions.local.sample import generate
from sf_transactions.model import CODED_DIMENSIONS, DIMENSIONS, code_column
from sf_transactions.resources.home import locked
from sf_transactions.resources.transfer import Sftp, TransferError
from sf_transactions_tests.integration.pipeline import pipeline
from sf_transactions_tests.rows import published

YEARS = (2016, 2019)  # on both sides of the new chart of accounts
TABLE = generate(6000)
CODES_OF_SALARIES = "select distinct character_code from report.type where \"character\" = 'Salaries'"


@pytest.fixture(scope="module")
def standing(tmp_path_factory):
    with pipeline(tmp_path_factory.mktemp("pipeline") / "home") as started:
        yield started


@pytest.fixture
def loaded(standing, sample):
    """A warehouse that holds the sample's four years."""
    run = standing.run(sample.url, *YEARS)
    assert run.success, run.errors
    return standing


@pytest.fixture(scope="module")
def sample():
    portal = Portal(TABLE).start()
    yield portal
    portal.stop()


@pytest.fixture
def portal():
    """A portal of the rows a test gives it."""
    started = []

    def serve(*rows: dict) -> Portal:
        started.append(Portal(published(*rows)).start())
        return started[-1]

    yield serve
    for each in started:
        each.stop()


def test_every_dollar_of_the_portal_is_in_the_warehouse_and_every_check_passes(standing, sample):
    run = standing.run(sample.url, *YEARS)
    assert run.success, run.errors
    assert run.checks and all(run.checks.values())
    expected: dict[tuple[int, str], tuple[int, Decimal]] = {}
    for row in TABLE.select(["fiscal_year", "revenue_or_spending", "amount"]).to_pylist():
        if YEARS[0] <= int(row["fiscal_year"]) <= YEARS[1]:
            key = (int(row["fiscal_year"]), row["revenue_or_spending"])
            rows, dollars = expected.get(key, (0, Decimal(0)))
            expected[key] = (rows + 1, dollars + Decimal(row["amount"]))
    found = standing.query(
        "select t.fiscal_year, f.revenue_or_spending, count(*), sum(t.amount) from report.transaction t"
        " join report.finance f on f.finance_id = t.finance_id group by 1, 2"
    )
    assert {(year, side): (int(rows), Decimal(amount)) for year, side, rows, amount in found} == expected


@pytest.mark.full
def test_years_as_large_as_the_citys_arrive(tmp_path):
    """Their files have several row groups, each with a dictionary of its own: what small samples never have."""
    served = Portal(generate(54_000, years=range(2024, 2026))).start()
    try:
        with pipeline(tmp_path / "home") as large:
            run = large.run(served.url, 2024, 2025)
            assert run.success, run.errors
            assert large.query("select count(*) from report.transaction") == [(54_000,)]
    finally:
        served.stop()


def test_a_total_can_be_asked_by_the_codes_as_published_and_by_every_dimension(loaded):
    rows = TABLE.select(["fiscal_year", "fund_code", "department", "amount"]).to_pylist()
    expected: dict[tuple[str, str], Decimal] = {}
    for row in rows:
        if YEARS[0] <= int(row["fiscal_year"]) <= YEARS[1]:
            key = (row["fund_code"], row["department"] or "No Department")
            expected[key] = expected.get(key, Decimal(0)) + Decimal(row["amount"])
    found = loaded.query(
        "select c.fund_code, p.department, sum(t.amount) from report.transaction t"
        " join report.transaction_published o on o.transaction_id = t.transaction_id"
        " join report.published_codes c on c.published_id = o.published_id"
        " join report.program p on p.program_id = t.program_id group by 1, 2"
    )
    assert {(code, department): Decimal(amount) for code, department, amount in found} == expected


def test_on_the_warehouse_every_name_has_one_code_and_every_published_code_is_in_the_mapping(loaded):
    for dimension in CODED_DIMENSIONS:
        for level in dimension.levels:
            path = ", ".join(map(quoted, (*dimension.parents(level), level)))
            code = code_column(level)
            several = (
                f"select {path} from {dimension.table.qualified} group by {path} having count(distinct {code}) <> 1"
            )
            assert loaded.query(several) == []
            evidence = f"select distinct {path}, {code} from {dimension.evidence.qualified}"
            (counted,) = loaded.query(f"select count(*) from ({evidence}) e")
            assert loaded.query(f"select count(*) from report.code_mapping where pair = '{level}'") == [counted]
    kept = "select pair, parents, name from report.code_mapping group by 1, 2, 3"
    assert loaded.query(f"{kept} having count(distinct kept_code) <> 1") == []
    assert loaded.query(f"{kept} having sum(case when code = kept_code then 1 else 0 end) <> 1") == []
    assert loaded.query("select count(*) from report.code_mapping where parents = '' and pair = 'character'")[0][0] > 0


def test_every_member_is_in_report_member_and_a_series_by_code_crosses_2018(loaded):
    for dimension in DIMENSIONS:
        key = dimension.id_column
        lost = (
            f"select count(*) from {dimension.table.qualified} d left join report.member m"
            f" on m.dimension = '{dimension.name}' and m.member_id = d.{key} where m.member_id is null"
        )
        assert loaded.query(lost) == [(0,)]
    series = (
        "select t.fiscal_year, sum(t.amount) from report.transaction t"
        " join report.transaction_published o on o.transaction_id = t.transaction_id"
        " join report.published_codes c on c.published_id = o.published_id"
        " left join report.code_crosswalk x on x.pair = 'character' and x.old_code = c.character_code"
        " where coalesce(x.new_code, c.character_code) = 'SALARIES' group by 1 order by 1"
    )
    by_name = (
        "select t.fiscal_year, sum(t.amount) from report.transaction t join report.type y on y.type_id = t.type_id"
        """ where y."character" = 'Salaries' group by 1 order by 1"""
    )
    assert len(loaded.query(series)) == 4
    assert loaded.query(series) == loaded.query(by_name)


def test_running_again_changes_no_row_and_sends_no_object(loaded, sample):
    before = loaded.state()
    run = loaded.run(sample.url, *YEARS, sftp_port="1")  # where nobody listens
    assert run.success, run.errors
    assert loaded.state() == before
    sent = {key: metadata["objects_sent"] for key, metadata in run.materialized.items() if key.startswith("s3/")}
    assert set(sent.values()) == {0}, sent


def test_a_run_where_nothing_changed_works_nothing_out(loaded, sample, tmp_path):
    """It tells what was told, and does not even load what it would take to make it."""
    first = loaded.run(sample.url, *YEARS)
    program = (
        "import atexit, sys; from dagster._cli import main; heavy = {'numpy', 'pandas', 'pandera', 'pyarrow'};"
        " atexit.register(lambda: print('loaded:', sorted(heavy & set(sys.modules)))); main()"
    )
    words = ["asset", "materialize", "-m", "sf_transactions", "--select", "*"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATASF_BASE_URL", sample.url)
        patch.setenv("DAGSTER_HOME", str(tmp_path))
        (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}")
        done = subprocess.run(
            [sys.executable, "-c", program, *words, "--partition-range", "{}...{}".format(*YEARS)],
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "loaded: []" in done.stdout
    again = loaded.run(sample.url, *YEARS)
    assert again.checks == first.checks
    same = [key for key in first.materialized if key.startswith("codes/")]
    assert {key: again.materialized[key] for key in same} == {key: first.materialized[key] for key in same}


def test_an_object_that_another_has_overwritten_is_sent_again(loaded, sample):
    storage = boto3.client("s3")
    bucket = loaded.settings.s3_bucket
    listed = storage.list_objects_v2(Bucket=bucket, Prefix=f"{loaded.settings.prefix}transaction/fiscal_year=2018/")
    (key,) = (each["Key"] for each in listed["Contents"])
    content = storage.get_object(Bucket=bucket, Key=key)["Body"].read()
    storage.put_object(Bucket=bucket, Key=key, Body=bytes(len(content)))
    run = loaded.run(sample.url, *YEARS)
    assert run.success, run.errors
    assert run.materialized["s3/transaction"]["objects_sent"] == 1
    assert storage.get_object(Bucket=bucket, Key=key)["Body"].read() == content


@pytest.mark.full
def test_no_manifest_is_sent_before_all_that_it_names_is_there(standing, portal, monkeypatch):
    sent, put = [], Sftp.put

    def refused(sftp: Sftp, content, path: str) -> None:
        if "/published_codes/" in path:
            raise TransferError("the disk of the server is full")
        sent.append(path)
        put(sftp, content, path)

    rows = [{"fiscal_year": str(year), "amount": "12.34", "fund": "A fund of this test"} for year in YEARS]
    other = portal(*rows)
    with monkeypatch.context() as patch:
        patch.setattr(Sftp, "put", refused)
        run = standing.run(other.url, YEARS[-1], select="group:raw or group:codes or group:star or group:s3")
    assert any("the disk of the server is full" in error for error in run.errors), run.errors
    assert sent and not any("/manifest/" in path for path in sent)
    assert standing.run(other.url, YEARS[-1], select="group:s3").success


@pytest.mark.full
def test_a_file_of_the_star_that_was_tampered_with_is_made_anew(loaded, sample):
    before = loaded.state()
    loaded.execute("delete from report.transaction where fiscal_year = 2018")
    part = loaded.settings.home / "star" / "transaction" / "fiscal_year=2017" / "part-000.csv.gz"
    part.write_bytes(part.read_bytes()[:-20])
    run = loaded.run(sample.url, *YEARS)
    assert run.success, run.errors
    assert run.materialized["star/transaction"]["fiscal_years_made_anew"] == 1
    assert loaded.state() == before


@pytest.mark.full
def test_one_year_alone_on_a_fresh_home_leaves_the_warehouse_as_it_was(loaded, sample, tmp_path):
    before = loaded.state()
    run = loaded.fresh_home(tmp_path / "home").run(sample.url, 2017)
    assert run.success, run.errors
    assert all(run.checks.values())
    assert loaded.state() == before


@pytest.mark.full
def test_codes_keep_their_zeros_and_a_name_carries_the_code_of_its_latest_year(standing, portal):
    both = portal(
        {"fiscal_year": "2017", "character_code": "001", "organization_group_code": "02"},
        {"fiscal_year": "2019", "character_code": "SALARIES", "organization_group_code": "02"},
    )
    run = standing.run(both.url, *YEARS)
    assert run.success, run.errors
    assert standing.query(CODES_OF_SALARIES) == [("SALARIES",)]
    assert standing.query(
        "select distinct organization_group_code from report.program where organization_group like 'Public Works%'"
    ) == [("02",)]


@pytest.mark.full
def test_an_old_year_loaded_alone_never_puts_an_old_code_over_a_new_one(standing, portal, tmp_path):
    both = portal({"fiscal_year": "2017", "character_code": "001"}, {"fiscal_year": "2019"})
    assert standing.run(both.url, *YEARS).success
    run = standing.fresh_home(tmp_path / "home").run(both.url, 2017)
    assert run.success, run.errors
    assert standing.query(CODES_OF_SALARIES) == [("SALARIES",)]


@pytest.mark.full
def test_a_newer_code_reaches_the_dimension_and_changes_no_id(standing, portal):
    rows = [{"fiscal_year": "2017"}, {"fiscal_year": "2018"}]
    first = portal(*rows)
    assert standing.run(first.url, *YEARS).success
    before = standing.state()
    first.republish(published(*rows, {"fiscal_year": "2019", "sub_object_code": "501099"}))
    run = standing.run(first.url, 2019)
    assert run.success, run.errors
    assert standing.query("select sub_object_code from report.type where sub_object like 'Perm Salaries-Misc-R%'") == [
        ("501099",)
    ]
    after = standing.state("where fiscal_year < 2019")
    assert after["transaction"] == before["transaction"]
    assert [row[0] for row in after["type"]] == [row[0] for row in before["type"]]


@pytest.mark.full
def test_duplicated_rows_are_kept_and_each_has_an_id(standing, portal):
    run = standing.run(portal({}, {}, {}).url, 2025)
    assert run.success, run.errors
    assert standing.query(
        "select count(*), count(distinct transaction_id), sum(amount) from report.transaction where fiscal_year = 2025"
    ) == [(3, 3, Decimal("301.50"))]


@pytest.mark.full
def test_a_year_that_the_portal_publishes_no_longer_leaves_the_warehouse(standing, portal):
    both = portal({"fiscal_year": "2017", "fund_code": "GONE"}, {"fiscal_year": "2018"})
    assert standing.run(both.url, *YEARS).success
    assert standing.query("select count(*) from report.published_codes where fund_code = 'GONE'") == [(1,)]
    both.republish(published({"fiscal_year": "2018"}))
    run = standing.run(both.url, *YEARS)
    assert run.success, run.errors
    assert standing.query("select distinct fiscal_year from report.transaction where fiscal_year < 2020") == [(2018,)]
    assert standing.query("select count(*) from report.published_codes where fund_code = 'GONE'") == [(0,)]


@pytest.mark.full
def test_a_year_whose_evidence_is_missing_stops_the_run_and_is_named(loaded, sample):
    loaded.execute("delete from report.type_evidence where fiscal_year = 2018")
    before = loaded.state()
    run = loaded.run(sample.url, 2017)
    assert not run.success
    assert any("type_evidence lacks the evidence of the loaded fiscal years 2018" in each for each in run.errors)
    assert loaded.state() == before


@pytest.mark.full
def test_a_second_run_on_a_home_is_refused_and_names_the_holder(loaded, sample):
    before = loaded.state()
    with locked(loaded.settings.home, "run of a colleague"):
        run = loaded.run(sample.url, *YEARS)
    assert not run.success
    assert "is in use by run of a colleague" in run.told
    assert loaded.state() == before


def test_no_secret_is_told_by_a_run(loaded, sample):
    (token,) = sample.tokens
    run = loaded.run(sample.url, *YEARS, datasf_app_token=token)
    assert run.success, run.errors
    for secret in (token, *loaded.secrets()):
        assert secret not in run.told
        assert secret not in str(run.materialized)
