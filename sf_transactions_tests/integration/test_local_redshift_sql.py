"""The stand-in for Redshift, spoken to by the real redshift_connector and by psql: logins, SQL, transactions."""

import datetime
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from decimal import Decimal

import pytest
import redshift_connector

from sf_transactions.ddl import read, schema_statements, views
from sf_transactions.local.redshift.server import Cluster, RedshiftEndpoint
from sf_transactions_tests.integration.redshift import CLUSTER, ask, code, connect, refused, rolled_back, session


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    endpoint = RedshiftEndpoint(tmp_path_factory.mktemp("redshift") / "warehouse.duckdb", lambda: [CLUSTER], dict)
    endpoint.start()
    with session(endpoint) as connection:
        ask(connection, "create schema report")
        connection.commit()
    yield endpoint
    endpoint.stop()


@pytest.fixture
def connection(anywhere):
    with rolled_back(anywhere()) as connection:
        yield connection


@pytest.fixture
def local_connection(endpoint):
    with rolled_back(session(endpoint)) as connection:
        yield connection


# Logins


def test_nobody_is_let_in_until_a_cluster_exists(tmp_path):
    clusters: list[Cluster] = []
    endpoint = RedshiftEndpoint(tmp_path / "w.duckdb", lambda: clusters, dict)
    endpoint.start()
    with pytest.raises(redshift_connector.Error, match="no cluster exists; run `sf-transactions provision`"):
        connect(endpoint)
    clusters.append(CLUSTER)
    with session(endpoint) as connection:
        assert ask(connection, "select 1") == [[1]]
    endpoint.stop()


@pytest.mark.parametrize(
    ("given", "state"),
    [({"password": "wrong"}, "28P01"), ({"user": "nobody"}, "28P01"), ({"database": "other"}, "3D000")],
)
def test_a_wrong_login_is_refused(endpoint, given, state):
    with pytest.raises(redshift_connector.Error) as error:
        connect(endpoint, **given)
    assert code(error.value) == state


def test_a_fault_in_asking_for_clusters_is_an_answer_and_the_server_goes_on(tmp_path):
    answers = [ValueError("moto is away"), [CLUSTER]]

    def clusters():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    endpoint = RedshiftEndpoint(tmp_path / "w.duckdb", clusters, dict)
    endpoint.start()
    with pytest.raises(redshift_connector.Error) as error:
        connect(endpoint)
    assert code(error.value) == "XX000"
    with session(endpoint) as connection:
        assert ask(connection, "select 1") == [[1]]
    endpoint.stop()


# Values


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_values_come_back_with_their_types(endpoint, protocol):
    with session(endpoint, client_protocol_version=protocol) as connection:
        cursor = connection.cursor()
        cursor.execute(
            "select 1::smallint a, 2 b, 3::bigint c, 1234567890123456.78::decimal(18,2) d, 'Müller' e,"
            " true f, 0.5::float g, date '2025-06-30' h, timestamp '2025-06-30 01:02:03.5' i,"
            " null::varchar j, -0.01::decimal(18,2) k"
        )
        assert [list(row) for row in cursor.fetchall()] == [
            [1, 2, 3, Decimal("1234567890123456.78"), "Müller", True, 0.5, datetime.date(2025, 6, 30),
             datetime.datetime(2025, 6, 30, 1, 2, 3, 500000), None, Decimal("-0.01")]
        ]  # fmt: skip
        oids = [column[1] for column in cursor.description]
        assert oids == [21, 23, 20, 1700, 1043, 16, 701, 1082, 1114, 1043, 1700]


def test_sums_are_exact_and_numeric(connection):
    ask(connection, "create temp table t (a bigint, b decimal(18,2))")
    ask(connection, "insert into t values (9223372036854775807, 9999999999999999.99), (9223372036854775807, 0.01)")
    cursor = connection.cursor()
    cursor.execute("select sum(a), sum(b), count(*) from t")
    assert list(cursor.fetchall()[0]) == [Decimal("18446744073709551614"), Decimal("10000000000000000.00"), 2]
    assert [column[1] for column in cursor.description] == [1700, 1700, 20]


@pytest.mark.parametrize(
    "value",
    [7, -(2**40), Decimal("12.30"), "it's", "", None, True, 1.5, datetime.date(2025, 1, 2),
     datetime.datetime(2025, 1, 2, 3, 4, 5)],
)  # fmt: skip
def test_parameters_arrive_as_they_were_sent(connection, value):
    ask(
        connection,
        "create temp table t (i bigint, d decimal(18,2), v varchar(20), b bool, f float, day date, ts timestamp)",
    )
    column = {int: "i", Decimal: "d", str: "v", bool: "b", float: "f", datetime.date: "day", datetime.datetime: "ts"}
    name = column.get(type(value), "v")
    ask(connection, f"insert into t ({name}) values (%s)", (value,))
    assert ask(connection, f"select {name} from t") == [[value]]
    if value is not None:
        assert ask(connection, f"select count(*) from t where {name} = %s", (value,)) == [[1]]


def test_a_large_result_arrives_whole(connection):
    ask(connection, "create temp table n as select 1 as i union all select 2 union all select 3 union all select 4")
    for _ in range(4):
        ask(connection, "insert into n select a.i from n a cross join (select i from n limit 8) b")
    count = ask(connection, "select count(*) from n")[0][0]
    assert count > 8000
    assert len(ask(connection, "select i, 'some text to fill a row' from n")) == count


# Dialect


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("select 7/2", 3),
        ("select -7/2", -3),
        ("select nvl(null, 2)", 2),
        ("select len('héé')", 3),
        ("select octet_length('héé')", 5),
        ("select strtol('-42', 10)", -42),
        ("select strtol('7fffffffffffffff', 16)", 2**63 - 1),
        ("select datediff(month, date '2024-11-30', date '2025-02-01')", 3),
        ("select dateadd(day, 1, date '2024-02-28')", datetime.datetime(2024, 2, 29)),
        ("select listagg(x, '+') within group (order by x) from (select 'b' as x union all select 'a')", "a+b"),
        ("select listagg(x) within group (order by x) from (select 'b' as x union all select 'a')", "ab"),
        ("select listagg(distinct x, '+') within group (order by x) from (select 'a' as x union all select 'a')", "a"),
        ("select to_char(date '2025-03-01', 'YYYY-MM')", "2025-03"),
        ("select '12'::int + 1", 13),
        ("select 1.5::decimal", 2),
        ("select 'abcdef'::varchar(3)", "abc"),
        ("select decode(2, 1, 'one', 2, 'two', 'more')", "two"),
        ("select count from (select count(*) from (select 1 union select 2))", 2),
        ("select x from (select 1 x union all select null) order by x desc limit 1", None),
        ("with recursive n(i) as (select 1 union all select i + 1 from n where i < 4) select sum(i) from n", 10),
        ("select max(r) from (select row_number() over (order by x) r from (select 5 x union all select 6))", 2),
        ("select strpos('value tax', 'tax')", 7),
        ("select getdate() > date '2020-01-01'", True),
        ("select sysdate < date '2020-01-01'", False),
        ("show server_version", "8.0.2"),
    ],
)
def test_redshifts_sql_gives_redshifts_answers(connection, query, value):
    assert ask(connection, query) == [[value]]


def test_a_session_knows_its_database_and_user(local_connection):
    assert ask(local_connection, "select current_database(), current_user") == [["dev", "admin"]]


def test_columns_without_a_name_are_named_as_in_redshift(connection):
    cursor = connection.cursor()
    cursor.execute("select count(*), sum(1), 1 + 1, coalesce(null, 1), 'A' as \"Upper\", dateadd(day, 1, getdate())")
    names = [column[0] for column in cursor.description]
    assert names == ["count", "sum", "?column?", "coalesce", "upper", "date_add"]


def test_the_projects_own_tables_and_views_are_understood(connection):
    for statement in schema_statements():
        ask(connection, statement)
    for view in views():
        ask(connection, read(f"report/{view}.sql"))
        ask(connection, f"select * from report.{view}")
    ask(connection, "insert into report.finance values (1, 'Revenue'), (2, 'Spending')")
    ask(connection, "insert into report.transaction values (1, 2025, 1, 1, 1, 1, 10.10), (2, 2025, 1, 1, 1, 2, -0.01)")
    statement = "select finance_id, count(*), sum(amount) from report.transaction group by 1 order by 1"
    assert ask(connection, statement) == [[1, 1, Decimal("10.10")], [2, 1, Decimal("-0.01")]]
    assert ask(connection, 'select "character", object, type_id from report.type') == []


def test_keys_are_declared_but_not_enforced_while_the_rest_is(connection):
    ask(connection, "create table report.p (a int not null, b varchar(3), primary key (a), unique (b)) diststyle all")
    ask(connection, "insert into report.p values (1, 'é'), (1, 'é')")
    connection.commit()
    assert refused(connection, "insert into report.p values (2, 'éé')") == "22001"
    assert refused(connection, "insert into report.p (b) values ('a')") == "23502"
    with pytest.raises(redshift_connector.Error, match=r"value too long for type character varying\(3\)"):
        ask(connection, "update report.p set b = 'abcd'")
    connection.rollback()
    assert ask(connection, "select a, b from report.p") == [[1, "é"], [1, "é"]]
    ask(connection, "drop table report.p")
    connection.commit()


def test_attributes_of_tables_and_columns_are_understood(connection):
    ask(
        connection,
        "create table if not exists report.attributes (id bigint not null encode raw distkey sortkey, a decimal,"
        " b varchar default 'encode x', c char(2), d timestamp encode az64, constraint k primary key (id))"
        " diststyle key compound sortkey (id, d)",
    )
    ask(connection, "insert into report.attributes (id, a) values (1, 1.4)")
    assert ask(connection, "select a, b from report.attributes") == [[1, "encode x"]]
    assert refused(connection, "create table t (a int) distkey (b)") == "42703"
    assert refused(connection, "create table t (a int) diststyle all distkey (a)") == "42P16"
    assert refused(connection, "create table t (a int references nowhere (a))") == "42P01"
    assert refused(connection, "create table t (a int) partition by (a)") == "42601"


def test_a_table_like_another_has_its_columns_and_limits(connection):
    ask(connection, 'create table report.pattern (a int not null, "object" varchar(2), d decimal(18,2))')
    ask(connection, "create temp table copy_of (like report.pattern)")
    ask(connection, "insert into copy_of values (1, 'ab', 1.25)")
    assert ask(connection, "select * from copy_of") == [[1, "ab", Decimal("1.25")]]
    connection.commit()
    assert refused(connection, "insert into copy_of values (1, 'abc', 1)") == "22001"
    assert refused(connection, "insert into copy_of values (null, 'a', 1)") == "23502"
    ask(connection, "drop table report.pattern")
    connection.commit()


def test_rows_are_changed_by_update_delete_merge_and_truncate(connection):
    ask(connection, "create temp table t (a int, b int)")
    ask(connection, "create temp table s (a int, b int)")
    ask(connection, "insert into t values (1, 1), (2, 2), (3, 3)")
    ask(connection, "insert into s values (2, 20), (4, 40)")
    ask(connection, "update t set b = s.b from s where s.a = t.a")
    ask(connection, "delete from t using s where t.a = s.a - 1")
    ask(
        connection,
        "merge into t using s on t.a = s.a when matched then update set b = 0"
        " when not matched then insert (a, b) values (s.a, s.b)",
    )
    assert ask(connection, "select a, b from t order by a") == [[2, 0], [4, 40]]
    ask(connection, "truncate t")
    connection.rollback()
    assert ask(connection, "select count(*) from t") == [[0]]


def test_the_search_path_is_obeyed(connection):
    ask(connection, "create table report.found (a int)")
    assert refused(connection, "select * from found") == "42P01"
    ask(connection, "create table report.found (a int)")
    ask(connection, "set search_path to report, public")
    assert ask(connection, "select count(*) from found") == [[0]]
    assert ask(connection, "show search_path") == [["report, public"]]


def test_system_tables_tell_what_there_is(connection):
    ask(connection, "create table report.told (id bigint not null, word varchar(7), amount decimal(18,2))")
    ask(connection, "comment on table report.told is 'it is told'")
    ask(connection, "comment on column report.told.word is 'a word'")
    found = ask(
        connection,
        "select column_name, data_type, character_maximum_length, is_nullable, remarks from svv_columns"
        " where table_name = 'told' order by ordinal_position",
    )
    assert found == [
        ["id", "bigint", None, "NO", None],
        ["word", "character varying", 7, "YES", "a word"],
        ["amount", "numeric", None, "YES", None],
    ]
    assert ask(connection, "select remarks from svv_tables where table_name = 'told'") == [["it is told"]]
    assert ["told"] in ask(connection, "select table_name from information_schema.tables where table_schema = 'report'")
    assert refused(connection, "delete from svv_tables") == "42501"


@pytest.mark.parametrize(
    ("statement", "state"),
    [
        ("select * from report.nowhere", "42P01"),
        ("select * from nowhere.t", "3F000"),
        ("select nothing from svv_tables", "42703"),
        ("select x.nothing from svv_tables x", "42703"),
        ("selec 1", "42601"),
        ("select 1 +", "42601"),
        ("select 'open", "42601"),
        ("select 1/0", "22012"),
        ("select 1.0/0", "22012"),
        ("select 5 % 0", "22012"),
        ("select 'a'::int", "22P02"),
        ("select 99999999999::int", "22003"),
        ("select sum('a')", "42883"),
        ("select nonesuch(1)", "42883"),
        ("select table_name from svv_tables group by table_schema", "42803"),
        ("create schema report", "42P06"),
        ("create table nowhere.t (a int)", "3F000"),
        ("drop table report.nowhere", "42P01"),
        ("analyze report.nowhere", "42P01"),
        ("lock table report.nowhere", "42P01"),
        ("grant select on report.nowhere to public", "42P01"),
        ("set nonesuch to 1", "42704"),
    ],
)
def test_errors_carry_their_sqlstate(connection, statement, state):
    assert refused(connection, statement) == state
    assert ask(connection, "select 1") == [[1]]


@pytest.mark.parametrize(
    "statement",
    [
        "from svv_tables",
        "select * from (from svv_tables)",
        "select * from '/etc/passwd'",
        "select * from read_csv('/etc/passwd')",
        "select read_text('/etc/passwd')",
        "select * from range(3)",
        "select * from duckdb_settings()",
        "select * from duckdb_tables",
        "select * from main.t",
        "select * from stand_in.tables",
        "select * exclude (a) from report.t",
        "select columns('a') from report.t",
        "select [1, 2]",
        "select {'a': 1}",
        "select getvariable('x')",
        "select current_setting('search_path')",
        "select count(*) filter (where true)",
        "select distinct on (a) a from report.t",
        "select * from report.t tablesample 10",
        "select * from report.t a asof join report.t b on a.a > b.a",
        "insert or replace into report.t values (1)",
        "insert into report.t values (1) returning a",
        "attach 'x.duckdb'",
        "detach x",
        "install httpfs",
        "load httpfs",
        "pragma database_list",
        "export database 'x'",
        "import database 'x'",
        "copy report.t to 's3://bucket/x'",
        "copy report.t from '/etc/passwd'",
        "unload ('select 1') to 's3://bucket/x' iam_role default",
        "call x()",
        "explain select 1",
        "checkpoint",
        "set memory_limit = '1GB'",
        "set variable x = 1",
        "create macro f() as 1",
        "create sequence s",
        "create index i on report.t (a)",
        "create table t (a int[])",
        "create table t (a struct(b int))",
        "create table t (a int identity(1,1))",
        "create or replace table t (a int)",
        "create materialized view v as select 1",
        "select a::hugeint from report.t",
        "summarize report.t",
        "pivot report.t on a",
        "values (1)",
        "select * from (values (1)) t",
        "savepoint x",
        "rollback to savepoint x",
        "prepare p as select 1",
        "select 1; drop schema report",
    ],
)
def test_what_is_not_redshifts_or_not_known_is_refused(local_connection, statement):
    assert refused(local_connection, statement) in ("0A000", "42601", "42883", "42P01", "3F000", "42704", "42703")


def test_the_stand_in_has_one_time_zone(local_connection):
    assert refused(local_connection, "set timezone to 'America/Los_Angeles'") == "22023"


# Transactions


def test_after_an_error_only_the_end_of_the_transaction_is_taken(anywhere):
    with anywhere() as connection:
        ask(connection, "create table report.half (a int)")
        with pytest.raises(redshift_connector.Error):
            ask(connection, "select 1/0")
        with pytest.raises(redshift_connector.Error) as error:
            ask(connection, "select 1")
        assert code(error.value) == "25P02"
        connection.commit()
        assert refused(connection, "select * from report.half") == "42P01"


def test_nothing_is_seen_before_commit_and_all_of_it_afterwards(anywhere):
    with anywhere() as one, anywhere() as other:
        ask(one, "create table report.seen (a int)")
        ask(one, "insert into report.seen values (1)")
        assert refused(other, "select * from report.seen") == "42P01"
        one.commit()
        assert ask(other, "select a from report.seen") == [[1]]
        other.rollback()
        ask(one, "drop table report.seen")
        one.commit()


def test_two_writers_of_the_same_rows_violate_isolation(anywhere):
    with anywhere() as one, anywhere() as other:
        ask(one, "create table report.both (a int)")
        ask(one, "insert into report.both values (1)")
        one.commit()
        ask(one, "select * from report.both")
        ask(other, "select * from report.both")
        ask(one, "update report.both set a = 2")
        with pytest.raises(redshift_connector.Error, match="Serializable isolation violation") as error:
            ask(other, "update report.both set a = 3")
        assert code(error.value) == "40001"
        assert error.value.args[0]["M"] == "1023"
        other.rollback()
        one.commit()
        assert ask(other, "select a from report.both") == [[2]]
        other.rollback()
        ask(one, "drop table report.both")
        one.commit()


def test_a_client_that_goes_away_leaves_nothing_behind(endpoint, local_connection):
    leaving = connect(endpoint)
    ask(leaving, "create table report.left_over (a int)")
    leaving._usock.shutdown(socket.SHUT_RDWR)
    time.sleep(0.2)
    assert refused(local_connection, "select * from report.left_over") == "42P01"


def test_data_is_there_after_a_restart(tmp_path):
    endpoint = RedshiftEndpoint(tmp_path / "w.duckdb", lambda: [CLUSTER], dict)
    endpoint.start()
    lingering = connect(endpoint)
    ask(lingering, "create table kept (a decimal(18,2))")
    ask(lingering, "insert into kept values (1.10)")
    lingering.commit()
    ask(lingering, "insert into kept values (2.20)")
    endpoint.stop()
    assert not (tmp_path / "w.duckdb.wal").exists()
    again = RedshiftEndpoint(tmp_path / "w.duckdb", lambda: [CLUSTER], dict)
    again.start()
    with session(again) as connection:
        assert ask(connection, "select a from kept") == [[Decimal("1.10")]]
    again.stop()


def test_a_killed_server_loses_nothing_that_was_committed(tmp_path):
    program = (
        "import sys, time; from pathlib import Path\n"
        "from sf_transactions.local.redshift.server import Cluster, RedshiftEndpoint\n"
        "c = Cluster('c', 'dev', 'admin', 'Secret-123', ())\n"
        f"e = RedshiftEndpoint(Path({str(tmp_path / 'w.duckdb')!r}), lambda: [c], dict); e.start()\n"
        "print(e.port, flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    port = int(process.stdout.readline())
    connection = redshift_connector.connect(
        host="127.0.0.1", port=port, database="dev", user="admin", password="Secret-123", ssl=False
    )
    ask(connection, "create table kept (a int)")
    ask(connection, "insert into kept values (1)")
    connection.commit()
    ask(connection, "insert into kept values (2)")
    process.kill()
    process.wait()
    again = RedshiftEndpoint(tmp_path / "w.duckdb", lambda: [CLUSTER], dict)
    again.start()
    with session(again) as found:
        assert ask(found, "select a from kept") == [[1]]
    again.stop()


def test_a_statement_is_cancelled_on_request(endpoint, local_connection):
    ask(
        local_connection,
        "create temp table n as select 1 as i union all select 2 union all select 3 union all select 4",
    )
    for _ in range(4):
        ask(local_connection, "insert into n select a.i from n a cross join (select i from n limit 8) b")
    local_connection.commit()
    pid = ask(local_connection, "select pg_backend_pid()")[0][0]
    secret = next(found.secret for found in endpoint._sessions if found.pid == pid)

    def cancel():
        time.sleep(0.5)
        with socket.create_connection(("127.0.0.1", endpoint.port)) as sock:
            sock.sendall(struct.pack("!iiii", 16, 80877102, pid, secret))

    thread = threading.Thread(target=cancel)
    thread.start()
    state = refused(local_connection, "select sum(sqrt(a.i * b.i * c.i + d.i)) from n a, n b, n c, n d")
    thread.join()
    assert state == "57014"
    assert ask(local_connection, "select 1") == [[1]]


# psql


@pytest.fixture
def psql(endpoint):
    if not shutil.which("psql"):
        pytest.skip("no psql here")

    def run(*statements: str) -> subprocess.CompletedProcess[str]:
        host = ["-h", "127.0.0.1", "-p", str(endpoint.port), "-U", "admin", "-d", "dev"]
        commands = [word for statement in statements for word in ("-c", statement)]
        return subprocess.run(
            ["psql", *host, "-X", "-A", "-t", *commands],
            capture_output=True,
            text=True,
            timeout=30,
            env={**os.environ, "PGPASSWORD": "Secret-123", "PGSSLMODE": "prefer"},
        )  # fmt: skip

    return run


def test_psql_runs_several_statements_at_once(psql):
    found = psql("select 1 as a; select 'x', null, 1.50::decimal(9,2), true; -- the end\n;")
    assert (found.stdout, found.stderr) == ("1\nx||1.50|t\n", "")


def test_psql_lists_the_tables_of_a_schema(psql):
    psql("create table report.listed (a int)")
    found = psql(r"\dt report.l*")
    assert (found.stdout, found.stderr) == ("report|listed|table|admin\n", "")
    psql("drop table report.listed")


def test_statements_of_one_message_are_one_transaction(psql):
    found = psql("create table report.one_message (a int); select 1/0", "select * from report.one_message")
    assert "division by zero" in found.stderr
    assert "one_message" in found.stderr and "does not exist" in found.stderr
    found = psql(
        "begin; create table report.one_message (a int); commit; select 1/0", "select * from report.one_message"
    )
    assert found.stderr.count("ERROR") == 1
    psql("drop table report.one_message")


def test_psql_reads_the_projects_tables_unquoted(psql):
    found = psql(
        "create temp table transaction (type int, amount decimal(18,2));"
        " select type, sum(amount) from transaction group by 1"
    )
    assert found.stderr == ""
