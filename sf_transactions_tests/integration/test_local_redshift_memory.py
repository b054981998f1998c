"""The memory that the Redshift stand-in's database takes: a share while it writes, and never a failure for good."""

import time

import duckdb
import pytest
import redshift_connector

from sf_transactions.local.redshift import memory
from sf_transactions.local.redshift.memory import Memory
from sf_transactions.local.redshift.server import RedshiftEndpoint
from sf_transactions.resources.warehouse_errors import from_driver
from sf_transactions_tests.integration.redshift import CLUSTER, ask, code, connect

MEGABYTE = 1 << 20


@pytest.fixture
def database(tmp_path):
    file = tmp_path / "w.duckdb"
    with duckdb.connect(str(file)) as connection:
        yield connection, file


def limit(connection: duckdb.DuckDBPyConnection) -> int:
    """The limit in megabytes; DuckDB rounds what it tells."""
    number, unit = connection.execute("select current_setting('memory_limit')").fetchall()[0][0].split()
    return round(float(number) * {"MiB": 1, "GiB": 1 << 10}[unit])


def test_the_share_grows_with_what_the_tables_take_and_never_falls(database):
    connection, file = database
    limits = Memory(connection, file)
    limits.fit()
    least = limit(connection)
    assert least == memory.LEAST_BYTES // MEGABYTE
    connection.execute(
        "create temp table t as select hash(i)::varchar || hash(-i)::varchar as a from range(8000000) r(i)"
    )
    limits.fit()
    grown = limit(connection)
    assert grown > least
    connection.execute("drop table t")
    limits.fit()
    assert limit(connection) == grown


def test_a_query_has_all_the_memory_until_the_last_one_ends(database):
    connection, file = database
    everything = pytest.approx(limit(connection), rel=0.01)
    limits = Memory(connection, file)
    limits.fit()
    share = limit(connection)
    assert share != everything
    with limits.everything():
        with limits.everything():
            assert limit(connection) == everything
        assert limit(connection) == everything
        limits.fit()
        assert limit(connection) == everything
    assert limit(connection) == share


def test_what_a_killed_process_has_spilled_is_taken_away(database):
    connection, file = database
    left = file.with_name("w.duckdb.tmp") / "duckdb_temp_storage_DEFAULT-0.tmp"
    left.parent.mkdir()
    left.touch()
    Memory(connection, file)
    assert not left.exists()


@pytest.fixture
def narrow(tmp_path, monkeypatch):
    """An endpoint with so little memory that a statement runs out of it."""
    monkeypatch.setattr(memory, "LEAST_BYTES", 8 * MEGABYTE)
    endpoint = RedshiftEndpoint(tmp_path / "w.duckdb", lambda: [CLUSTER], dict)
    endpoint.start()
    yield endpoint
    endpoint.stop()


LONG = "select len(listagg(a.word, '')) from words a cross join words b cross join words c"


def words(connection: redshift_connector.Connection) -> None:
    ask(connection, "create table words (word varchar(200))")
    ask(connection, "create table lengths (length bigint)")
    ask(connection, "insert into words values " + ", ".join(["(repeat('x', 100))"] * 80))
    connection.commit()


def test_a_statement_that_runs_out_of_memory_succeeds_when_it_is_run_again(narrow):
    connection = connect(narrow)
    words(connection)
    with pytest.raises(redshift_connector.Error) as error:
        ask(connection, f"insert into lengths {LONG}")
    assert code(error.value) == "53200"
    assert from_driver(error.value).retryable
    connection.rollback()
    ask(connection, f"insert into lengths {LONG}")
    connection.commit()
    assert ask(connection, "select * from lengths") == [[80**3 * 100]]
    connection.close()


def test_a_query_does_not_run_out_of_the_share(narrow):
    connection = connect(narrow)
    words(connection)
    assert ask(connection, LONG) == [[80**3 * 100]]
    connection.close()


def test_a_query_that_was_read_in_part_gives_its_memory_back(narrow):
    connection = connect(narrow)
    words(connection)
    share = limit(narrow._duckdb)
    cursor = connection.cursor()
    connection.autocommit = False
    cursor.execute("select a.word from words a cross join words b")
    assert len(cursor.fetchmany(10)) == 10
    ask(connection, "select count(*) from words")
    connection.rollback()
    assert limit(narrow._duckdb) == share
    connection.close()


def test_a_transaction_keeps_the_memory_of_its_queries_until_it_writes_or_ends(narrow):
    connection, other = connect(narrow), connect(narrow)
    words(connection)
    share, database = limit(narrow._duckdb), narrow._duckdb
    ask(connection, "select count(*) from words")
    assert limit(database) > share
    ask(connection, "insert into words values ('y')")
    assert limit(database) == share
    ask(connection, "select count(*) from words")
    assert limit(database) > share
    connection.commit()
    assert limit(database) == share
    ask(other, "select count(*) from words")
    with pytest.raises(redshift_connector.Error):
        ask(other, "select nothing from words")
    assert limit(database) == share
    other.rollback()
    other.autocommit = True
    ask(other, "select count(*) from words")
    assert limit(database) == share
    other.autocommit = False
    ask(other, "select count(*) from words")
    other._usock.close()  # without a word, as when a client is killed
    other._sock.close()
    ends = time.monotonic() + 30
    while limit(database) != share:
        assert time.monotonic() < ends
        time.sleep(0.01)
    connection.close()


def test_the_limit_is_out_of_a_clients_reach(narrow):
    connection = connect(narrow)
    share = limit(narrow._duckdb)
    for statement in ("set memory_limit to '1TB'", "set global memory_limit = '1TB'", "pragma memory_limit='1TB'"):
        with pytest.raises(redshift_connector.Error):
            ask(connection, statement)
        connection.rollback()
    assert limit(narrow._duckdb) == share
    connection.close()
