"""Faults in the middle of a load: tables and views then answer as before it or as after it, and the next run succeeds.

Two loads of the same fiscal years, with other rows, take turns; a third fiscal year is in the warehouse and in neither.
After every fault the content of all tables and views is compared, the same load is run again, and is compared again.
"""

import contextlib
import gzip
import itertools
import json
import os
import resource
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from uuid import uuid4

import boto3
import pytest

from sf_transactions.ddl import quoted
from sf_transactions.local.portal import Portal
from sf_transactions.model import LOAD, LOADED_BESIDE, PUBLICATION, TABLES
from sf_transactions.resources import comparisons, loading
from sf_transactions.resources.storage import Storage
from sf_transactions.resources.warehouse import Warehouse, WarehouseError, commit, fetch
from sf_transactions.settings import Settings
from sf_transactions_tests.integration.cutting_proxy import ANSWER, BEFORE, CuttingProxy
from sf_transactions_tests.integration.killable_endpoint import KillableEndpoint
from sf_transactions_tests.integration.pipeline import Pipeline, pipeline
from sf_transactions_tests.integration.refusing_s3 import refusing_s3
from sf_transactions_tests.rows import ROW, published

pytestmark = pytest.mark.full
YEARS = (2018, 2019)
OTHER_YEAR = 2017
OLD = [{"fiscal_year": str(year), "amount": f"{year}.{day}"} for year in (OTHER_YEAR, *YEARS) for day in (10, 20, 30)]
NEW = [
    row | ({} if row["fiscal_year"] == str(OTHER_YEAR) else {"amount": f"9{row['amount']}", "fund": f"Fund {number}"})
    for number, row in enumerate(OLD)
]
AT_LEAST = 60  # faults
ALL = bool(os.environ.get("EVERY_STATEMENT"))  # strikes at every single statement, which takes two minutes more
State = list[tuple[str, str]]


@dataclass
class Turns:
    """The two loads over an endpoint that can be killed, and what all tables and views answer after each."""

    pipeline: Pipeline
    endpoint: KillableEndpoint
    loads: tuple[loading.Load, loading.Load]
    states: list[State] = field(default_factory=list)
    contents: str = ""
    standing: int = 0
    loads_known: int = 0
    faults: int = 0
    walked: bool = False  # at every kind of statement

    def warehouse(self, port: int | None = None) -> Warehouse:
        return Warehouse.from_settings(replace(self.pipeline.settings, redshift_port=str(port or self.endpoint.port)))

    @property
    def next(self) -> loading.Load:
        """The load whose turn it is, as a run of its own."""
        return replace(self.loads[1 - self.standing], run_id=str(uuid4()))

    def answers(self) -> tuple[State, int]:
        """Every row of every table and view, from one statement, and the number of loads that were committed."""
        with self.warehouse().connect() as connection:
            rows = sorted(map(tuple, fetch(connection, self.contents).itertuples(index=False)))
            return rows, fetch(connection, f"select count(*) as n from {LOAD.qualified}")["n"][0]

    def run(self) -> None:
        """The next run, which succeeds."""
        attempt(self.warehouse(), self.next)
        self.settled()

    def settled(self) -> None:
        """The next load has been committed."""
        self.standing, self.loads_known = 1 - self.standing, self.loads_known + 1

    @contextlib.contextmanager
    def fault(self, what: str, after: tuple[int, ...] = (0,)) -> Iterator[None]:
        """Compares what stands when a fault has struck the next load, and runs it again.

        `after` tells which may stand: 0 what stood before, 1 the next load.
        """
        before = self.loads_known
        yield
        found, loads = self.answers()
        stands = [number for number in after if found == self.states[self.standing ^ number]]
        assert stands, f"{what}: the tables answer something else"
        assert loads == before + stands[0], what
        attempt(self.warehouse(), self.next)
        self.standing = 1 - self.standing
        found, self.loads_known = self.answers()
        assert found == self.states[self.standing], f"{what}: the next run gives something else"
        assert self.loads_known in (before + 1, loads + 1), what
        self.faults += 1


def attempt(warehouse: Warehouse, load: loading.Load) -> None:
    """What the asset does, once."""
    with warehouse.connect() as connection:
        loading.make_schema(connection)
        stands = loading.begin(connection, load)
        loading.write(connection, load, stands)
        comparisons.totals(connection, load.fiscal_years)
        commit(connection)


@pytest.fixture(scope="module")
def turns(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    portal = Portal(published(*OLD)).start()
    with pipeline(folder / "home") as started:
        run = started.run(portal.url, OTHER_YEAR, YEARS[-1])
        assert run.success, run.errors
        first, old = _load(started, (OTHER_YEAR, *YEARS)), _load(started, YEARS)
        portal.republish(published(*NEW))
        run = started.run(portal.url, *YEARS, select="group:raw or group:codes or group:star or group:s3")
        portal.stop()
        assert run.success, run.errors
        with KillableEndpoint(folder / "warehouse.duckdb", started.settings, first.storage.copy_role()) as endpoint:
            turns = Turns(started, endpoint, (old, _load(started, YEARS)))
            attempt(turns.warehouse(), first)
            turns.contents = _contents(turns.warehouse())
            answers = []
            for load in 2 * turns.loads[::-1]:  # members that vanish stay: from the second round on all are known
                attempt(turns.warehouse(), replace(load, run_id=str(uuid4())))
                found, turns.loads_known = turns.answers()
                answers.append(found)
            assert answers[:2] == answers[2:] and answers[0] != answers[1]
            turns.states = answers[:1:-1]
            yield turns


def _load(started: Pipeline, years: tuple[int, ...]) -> loading.Load:
    s3 = started.settings.home / "s3"
    receipts = {table.name: json.loads((s3 / f"{table.name}.json").read_text()) for table in TABLES}
    manifests = {name: receipt["manifest"] for name, receipt in receipts.items()}
    return loading.Load(
        run_id=str(uuid4()),
        load_id=loading.load_id(manifests),
        fiscal_years=years,
        data_as_of=dict.fromkeys(years, ROW["data_as_of"]),
        manifests=manifests,
        storage=_storage(started.settings),
    )


def _storage(settings: Settings, role: str | None = None, region: str | None = None) -> Storage:
    storage = Storage.model_construct(bucket=settings.s3_bucket, prefix=settings.prefix)
    storage._client, storage._copy_role = boto3.client("s3", region_name=region), role
    return storage


def _contents(warehouse: Warehouse) -> str:
    """The statement that gives every row of the schema as a text, but those that tell of the loads themselves."""
    beside = ", ".join(f"'{table.name}'" for table in LOADED_BESIDE if table != PUBLICATION)
    columns = warehouse.query(
        "select table_name, column_name from svv_columns where table_schema = 'report'"
        f" and table_name not in ({beside}) order by table_name, ordinal_position"
    )
    rows = {
        name: " || '|' || ".join(f"coalesce(cast({quoted(column)} as varchar), '')" for column in of["column_name"])
        for name, of in columns.groupby("table_name")
    }
    assert len(rows) > len(TABLES)
    return " union all ".join(
        f"select '{name}' as name, {row} as content from report.{name}" for name, row in rows.items()
    )


# The endpoint killed, or the connection lost

KILLED = "killed"


def struck(turns: Turns, strike: Callable[[int, str], str | None]) -> None:
    """An attempt that is ended where `strike` says; an endpoint that was killed is started again."""

    killed = []

    def decide(number: int, statement: str) -> str | None:
        where = strike(number, statement)
        if where != KILLED:
            return where
        killed.append(statement)
        turns.endpoint.kill()
        return BEFORE

    with CuttingProxy(turns.endpoint.port, decide) as proxy, pytest.raises(WarehouseError) as caught:
        attempt(turns.warehouse(proxy.port), turns.next)
    assert caught.value.retryable
    if killed:
        turns.endpoint.kill()  # until it has ended
        turns.endpoint.start()


def test_the_endpoint_is_killed_or_the_connection_lost_at_statements_of_every_kind_in_turn(turns):
    """The endpoint is killed before it gets the statement, or the connection lost before that or when it is done.

    Of the six statements a table two are struck, others for the next table; with EVERY_STATEMENT=1 all are.
    """
    with CuttingProxy(turns.endpoint.port) as proxy:
        attempt(turns.warehouse(proxy.port), turns.next)
    turns.settled()
    statements = list(proxy.statements)
    assert statements[-1].lower() == "commit"
    chosen = [number for number in range(1, len(statements)) if ALL or number % 3 == number // 6 % 3]
    for turn, number in enumerate(chosen):
        where = (BEFORE, ANSWER, KILLED, ANSWER, BEFORE, ANSWER)[turn % 6]
        with turns.fault(f"{where} at statement {number}, {statements[number - 1][:60]}"):
            struck(turns, lambda at, _, number=number, where=where: where if at == number else None)
    turns.walked = True


def is_commit(statement: str) -> bool:
    return statement.lower() == "commit"


@pytest.mark.parametrize(("where", "after"), [(BEFORE, 0), (KILLED, 0), (ANSWER, 1)])
def test_commit_is_lost_or_its_answer_is(turns, where, after):
    commits = itertools.count(1)
    with turns.fault(f"{where} at COMMIT", (after,)):
        struck(turns, lambda _, statement: where if is_commit(statement) and next(commits) == 2 else None)


@pytest.mark.parametrize("milliseconds", [0, 1, 3])
def test_the_endpoint_is_killed_while_it_commits(turns, milliseconds):
    """Nobody knows which of both stands then; but one of them does."""
    commits, timer = itertools.count(1), threading.Timer(milliseconds / 1000, turns.endpoint.kill)

    def strike(_: int, statement: str) -> None:
        if is_commit(statement) and next(commits) == 2:
            timer.start()

    with turns.fault(f"killed {milliseconds} ms after COMMIT was sent", (0, 1)):
        with CuttingProxy(turns.endpoint.port, strike) as proxy, contextlib.suppress(WarehouseError):
            attempt(turns.warehouse(proxy.port), turns.next)
        timer.join()
        turns.endpoint.start()


# What S3 holds is spoiled, or S3 refuses


@contextlib.contextmanager
def spoiled(turns: Turns, table: str, how: Callable[[bytes], bytes | None]) -> Iterator[None]:
    """The last part of a table of the next load, spoiled."""
    s3, bucket = boto3.client("s3"), turns.pipeline.settings.s3_bucket
    url = json.loads(turns.next.storage.read(turns.next.manifests[table]))["entries"][-1]["url"]
    key, content = url.removeprefix(f"s3://{bucket}/"), turns.next.storage.read(url)
    if (spoilt := how(content)) is None:
        s3.delete_object(Bucket=bucket, Key=key)
    else:
        s3.put_object(Bucket=bucket, Key=key, Body=spoilt)
    try:
        yield
    finally:
        s3.put_object(Bucket=bucket, Key=key, Body=content)


def missing(content: bytes) -> None:
    return None


def truncated(content: bytes) -> bytes:
    return content[:-9]


def with_a_bad_line(content: bytes) -> bytes:
    """As long as before, so that only COPY notices."""
    lines = gzip.decompress(content).splitlines(keepends=True)
    lines[-1] = b"x" * (len(lines[-1]) - 1) + b"\n"
    return gzip.compress(b"".join(lines)).ljust(len(content), b"\0")


@pytest.mark.parametrize("table", ["program", "transaction", "member", "transaction_published"])
@pytest.mark.parametrize(
    ("how", "words"),
    [(missing, "does not exist"), (truncated, "the manifest says"), (with_a_bad_line, "Delimiter not found")],
)
def test_a_part_is_missing_truncated_or_has_a_bad_line(turns, table, how, words):
    with turns.fault(f"a part of {table} {how.__name__}"), spoiled(turns, table, how):
        with pytest.raises(WarehouseError) as caught:
            attempt(turns.warehouse(), turns.next)
        assert f"report.{table}" in str(caught.value) and words in str(caught.value)
        assert not caught.value.retryable


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"role": "arn:aws:iam::123456789012:role/another"}, "provision"),
        ({"region": "eu-west-1"}, "another region"),
    ],
    ids=["role", "region"],
)
def test_the_role_may_not_read_or_the_bucket_lies_elsewhere(turns, changed, words):
    with turns.fault(f"{changed}"), pytest.raises(WarehouseError, match=words) as caught:
        attempt(turns.warehouse(), replace(turns.next, storage=_storage(turns.pipeline.settings, **changed)))
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [(403, "AccessDenied", False), (503, "SlowDown", True), (500, "InternalError", True)],
)
def test_s3_refuses_in_the_middle_of_the_load(turns, status, code, retryable):
    with (
        turns.fault(f"S3 answers {code}"),
        refusing_s3(os.environ["AWS_ENDPOINT_URL"], status, code, let_through=12) as url,
        restarted(turns, url),
        pytest.raises(WarehouseError, match=code) as caught,
    ):
        attempt(turns.warehouse(), turns.next)
    assert caught.value.retryable == retryable


@contextlib.contextmanager
def restarted(turns: Turns, s3_url: str) -> Iterator[None]:
    """The endpoint reads from another S3 for a while."""
    turns.endpoint.kill()
    turns.endpoint.start(s3_url)
    try:
        yield
    finally:
        turns.endpoint.kill()
        turns.endpoint.start()


# No room, and two at once


@pytest.mark.parametrize("room", [0, 4096, 16384])
def test_the_disk_under_the_endpoint_is_full(turns, room):
    """The endpoint may not write a file further than some bytes from where its log ends."""
    log = turns.endpoint.file.with_name(f"{turns.endpoint.file.name}.wal")
    size = log.stat().st_size if log.exists() else 0
    with turns.fault(f"{room} bytes of room"):
        resource.prlimit(turns.endpoint.pid, resource.RLIMIT_FSIZE, (size + room, resource.RLIM_INFINITY))
        with pytest.raises(WarehouseError) as caught:
            attempt(turns.warehouse(), turns.next)
        assert "no room" in str(caught.value) and not caught.value.retryable
        resource.prlimit(turns.endpoint.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@pytest.mark.parametrize("again", [1, 2])
def test_two_loads_at_once_follow_one_another(turns, again):
    """The one that came last stands; the other came before, or stood already."""
    failed: list[WarehouseError] = []

    def load(load: loading.Load) -> None:
        try:
            attempt(turns.warehouse(), replace(load, run_id=str(uuid4())))
        except WarehouseError as error:
            failed.append(error)

    threads = [threading.Thread(target=load, args=(each,)) for each in turns.loads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed
    found, loads = turns.answers()
    assert loads in (turns.loads_known + 1, turns.loads_known + 2)
    assert found in turns.states
    turns.standing, turns.loads_known = turns.states.index(found), loads
    turns.run()
    assert turns.answers() == (turns.states[turns.standing], turns.loads_known)
    turns.faults += 1


# The same through the assets


@pytest.mark.parametrize("word", ["COPY staging_transaction (", "INSERT INTO report.load "])
def test_a_run_of_the_assets_whose_connection_is_lost_every_time_fails_and_the_next_one_succeeds(turns, word):
    if turns.standing:  # the home holds the second load
        turns.run()

    def run(port: int):
        return turns.pipeline.run("http://127.0.0.1:9", *YEARS, select="group:redshift", redshift_port=str(port))

    with CuttingProxy(
        turns.endpoint.port, lambda _, statement: BEFORE if statement.startswith(word) else None
    ) as proxy:
        assert not run(proxy.port).success
    found, loads = turns.answers()
    assert (found, loads) == (turns.states[0], turns.loads_known)
    outcome = run(turns.endpoint.port)
    assert outcome.success, outcome.errors
    found, turns.loads_known = turns.answers()
    assert (found, turns.loads_known) == (turns.states[1], loads + 1)
    turns.standing = 1
    turns.faults += 1


def test_so_many_faults_were_there(turns):
    """Last: of the whole file."""
    if not turns.walked:
        pytest.skip("said of a run of the whole file")
    print(f"{turns.faults} faults")
    assert turns.faults >= AT_LEAST
