"""The stand-in for Redshift as clients ask it: DBeaver browses the catalog, pandas reads, rows come in parts."""

import contextlib
import socket
import struct
from decimal import Decimal

import pytest
import redshift_connector

from sf_transactions.ddl import read, schema_statements, views
from sf_transactions.local.redshift.server import Cluster, RedshiftEndpoint
from sf_transactions.model import LOADED_BESIDE, TABLES, TRANSACTION

CLUSTER = Cluster("books", "city", "clerk", "Secret123", ())
DESCRIBED = "d.objoid = {0}.oid and d.objsubid = 0 and d.classoid = '{1}'::regclass"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    endpoint = RedshiftEndpoint(tmp_path_factory.mktemp("clients") / "w.duckdb", lambda: [CLUSTER], dict)
    endpoint.start()
    yield endpoint
    endpoint.stop()


@pytest.fixture(scope="module")
def connection(endpoint):
    """The project's tables and views, two of them with comments, and some transactions."""
    with contextlib.closing(
        redshift_connector.connect(
            host="127.0.0.1", port=endpoint.port, user="clerk", password="Secret123", database="city", ssl=False
        )
    ) as connection:
        connection.autocommit = True
        for statement in [*schema_statements(), *(read(f"report/{view}.sql") for view in views())]:
            ask(connection, statement)
        ask(connection, "comment on table report.fund is 'Funds of the City'")
        ask(connection, "comment on column report.fund.fund is 'Name of the fund'")
        ask(
            connection,
            "insert into report.transaction"
            " (transaction_id, fiscal_year, program_id, type_id, fund_id, finance_id, amount)"
            " values (1, 2024, 1, 1, 1, 1, 10.10), (2, 2025, 1, 1, 1, 2, -0.01)",
        )
        yield connection


def ask(connection, statement):
    cursor = connection.cursor()
    cursor.execute(statement)
    if cursor.description is None:
        return []
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def oid(connection, schema="report"):
    return ask(connection, f"select oid from pg_catalog.pg_namespace where nspname = '{schema}'")[0]["oid"]


# DBeaver: what it asks when a person opens a connection, a schema and a table


def test_a_session_tells_who_where_and_what_it_is(connection):
    assert ask(connection, "select current_schema(), session_user") == [
        {"current_schema": "public", "session_user": "clerk"}
    ]
    assert ask(connection, "select version()")[0]["version"].startswith("PostgreSQL 8.0.2")
    assert ask(connection, "show search_path") == [{"search_path": "$user, public"}]
    assert ask(connection, "show transaction isolation level") == [{"transaction_isolation": "serializable"}]
    assert [each["datname"] for each in ask(connection, "select db.oid, db.* from pg_catalog.pg_database db")] == [
        "city"
    ]


def test_the_schemas_are_listed_with_those_of_the_system(connection):
    found = ask(
        connection,
        "select n.oid, n.*, d.description, pg_get_userbyid(n.nspowner) as owner from pg_catalog.pg_namespace n"
        f" left outer join pg_catalog.pg_description d on {DESCRIBED.format('n', 'pg_namespace')} order by nspname",
    )
    assert [each["nspname"] for each in found] == ["information_schema", "pg_catalog", "public", "report"]
    assert {each["owner"] for each in found} == {"clerk"}
    (first,) = ask(connection, "select (pg_catalog.current_schemas(true))[1] as first from pg_user")
    assert first["first"]


def test_a_schema_has_its_tables_and_views_with_their_comments(connection):
    found = ask(
        connection,
        "select c.oid, c.*, d.description from pg_catalog.pg_class c"
        f" left outer join pg_catalog.pg_description d on {DESCRIBED.format('c', 'pg_class')}"
        f" where c.relnamespace = {oid(connection)} and c.relkind not in ('i', 'I', 'c')",
    )
    kinds = {each["relname"]: each["relkind"] for each in found}
    assert {table.name for table in TABLES} <= {name for name, kind in kinds.items() if kind == "r"}
    assert {name for name, kind in kinds.items() if kind == "v"} == set(views())
    assert {each["relname"]: each["description"] for each in found if each["description"]} == {
        "fund": "Funds of the City"
    }
    told = ask(connection, "select table_name from information_schema.tables where table_schema = 'report'")
    assert {each["table_name"] for each in told} == set(kinds)


COLUMNS = """
    select c.relname, a.*, t.typname, format_type(a.atttypid, a.atttypmod) as type_name,
        pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) as def_value, dsc.description, dep.objid
    from pg_catalog.pg_attribute a
    inner join pg_catalog.pg_class c on (a.attrelid = c.oid)
    inner join pg_catalog.pg_type t on (a.atttypid = t.oid)
    left outer join pg_catalog.pg_attrdef ad on (a.attrelid = ad.adrelid and a.attnum = ad.adnum)
    left outer join pg_catalog.pg_description dsc on (c.oid = dsc.objoid and a.attnum = dsc.objsubid)
    left outer join pg_depend dep on dep.refobjid = a.attrelid and dep.deptype = 'i'
        and dep.refobjsubid = a.attnum and dep.classid = dep.refclassid
    where not a.attisdropped and c.oid = '{0}'::regclass::oid order by a.attnum"""


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_has_its_columns_in_order_with_their_types(connection, table):
    spelled = {"BIGINT": "bigint", "INTEGER": "integer", "DECIMAL": "numeric", "VARCHAR": "character varying"}
    found = ask(connection, COLUMNS.format(table.qualified))
    assert [(each["attname"], each["attnum"]) for each in found] == [
        (column.name, number) for number, column in enumerate(table.columns, 1)
    ]
    for column, each in zip(table.columns, found, strict=True):
        name, parenthesis, size = column.sql_type.partition("(")
        if name in spelled:
            assert each["type_name"] == f"{spelled[name]}{parenthesis}{size}".replace(", ", ",")
        assert each["attnotnull"] and each["def_value"] is None


def test_a_column_has_its_comment_and_its_default(connection):
    found = ask(connection, COLUMNS.format("report.fund"))
    told = {each["attname"]: each["description"] for each in found if each["description"]}
    assert told == {"fund": "Name of the fund"}
    ask(connection, "create table public.defaults (a int default 7, b timestamp, c boolean not null)")
    found = ask(connection, COLUMNS.format("defaults"))
    assert [(each["def_value"], each["type_name"], each["attnotnull"]) for each in found] == [
        ("7", "integer", False),
        (None, "timestamp without time zone", False),
        (None, "boolean", True),
    ]


def test_the_types_are_those_of_the_protocol(connection):
    cursor = connection.cursor()
    cursor.execute("select * from report.transaction")
    sent = {column[0]: column[1] for column in cursor.description}
    told = {each["attname"]: each["atttypid"] for each in ask(connection, COLUMNS.format(TRANSACTION.qualified))}
    assert told == sent
    types = ask(connection, "select t.oid, t.*, c.relkind from pg_type t left join pg_class c on c.oid = t.typrelid")
    assert set(sent.values()) <= {each["oid"] for each in types}


def test_the_drivers_own_questions_are_answered(connection):
    cursor = connection.cursor()
    assert "report" in {row[0] for row in cursor.get_schemas()}
    found = cursor.get_tables(schema_pattern="report")
    assert {row[2] for row in found if row[3] == "VIEW"} == set(views())
    assert "transaction" in {row[2] for row in found if row[3] == "TABLE"}


KEYS = """
    select c.conname, c.contype, t.relname as on_table, rt.relname as refers_to, rn.nspname as in_schema, a.attname,
        fa.attname as refers_to_column, c.conkey, c.*
    from pg_catalog.pg_constraint c
    inner join pg_catalog.pg_class t on t.oid = c.conrelid
    inner join pg_catalog.pg_namespace n on n.oid = t.relnamespace
    inner join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum = any(c.conkey)
    left outer join pg_catalog.pg_class rt on rt.oid = c.confrelid
    left outer join pg_catalog.pg_namespace rn on rn.oid = rt.relnamespace
    left outer join pg_catalog.pg_attribute fa on fa.attrelid = rt.oid and fa.attnum = any(c.confkey)
    where n.nspname = '{}' order by c.conname, a.attnum"""


def test_names_are_found_by_patterns_as_psql_asks_for_them(connection):
    found = ask(
        connection,
        "select c.relname from pg_catalog.pg_class c left join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
        " where c.relname operator(pg_catalog.~) '^(fund.*)$' and n.nspname operator(pg_catalog.~) '^(report)$'"
        " order by 1",
    )
    assert [each["relname"] for each in found] == ["fund", "fund_evidence"]


def test_the_declared_keys_are_told_although_nobody_enforces_them(connection):
    found = ask(connection, KEYS.format("report"))
    primary = {(each["on_table"], each["attname"]) for each in found if each["contype"] == "p"}
    tables = (*TABLES, *LOADED_BESIDE)
    assert primary == {(table.name, column) for table in tables for column in table.primary_key}
    foreign = {
        (each["on_table"], each["attname"], each["in_schema"], each["refers_to"], each["refers_to_column"])
        for each in found
        if each["contype"] == "f"
    }
    assert foreign == {
        (table.name, column, "report", other, column) for table in tables for column, other in table.foreign_keys
    }
    items = ask(
        connection,
        "select c.conkey[1] as one, c.conkey[2] as two, c.conkey[3] as three, c.confkey[1] as other"
        " from pg_constraint c where conname = 'member_pkey'",
    )
    assert items == [{"one": 1, "two": 2, "three": None, "other": None}]
    (member,) = {tuple(each["conkey"]) for each in found if each["conname"] == "member_pkey"}
    assert member == (1, 2)


def test_keys_of_every_form_are_told_and_gone_with_their_table(connection):
    ask(connection, "create table public.parent (a int, b int primary key, unique (a))")
    ask(connection, "create table public.child (x int references parent, y int references public.parent (a))")
    found = {
        each["conname"]: (each["contype"], each["attname"], each["refers_to_column"])
        for each in ask(connection, KEYS.format("public"))
    }
    assert found == {
        "parent_pkey": ("p", "b", None),
        "parent_a_key": ("u", "a", None),
        "child_x_fkey": ("f", "x", "b"),
        "child_y_fkey": ("f", "y", "a"),
    }
    ask(connection, "insert into public.child values (77, 78)")  # which refers to nothing
    ask(connection, "drop table public.child")
    assert not [each for each in ask(connection, KEYS.format("public")) if each["on_table"] == "child"]


@pytest.mark.parametrize(
    ("statement", "state"),
    [
        ("select 'report.nowhere'::regclass", "42P01"),
        ("select 'int4'::regtype", "0A000"),
        ("select * from pg_catalog.generate_series(1, 2)", "0A000"),
        ("select pg_get_indexdef(1)", "42883"),
        ("select current_schemas(true)", "0A000"),
        ("select ('a')[1]", "0A000"),
        ("select conkey[1:2] from pg_constraint", "0A000"),
        ("delete from pg_catalog.pg_class", "42501"),
        ("create table stand_in.t (a int)", "3F000"),
    ],
)
def test_what_the_catalog_has_not_is_an_error(connection, statement, state):
    with pytest.raises(redshift_connector.Error) as error:
        ask(connection, statement)
    assert error.value.args[0]["C"] == state


# pandas


@pytest.mark.filterwarnings("ignore:pandas only supports SQLAlchemy")
def test_pandas_reads_a_query_with_parameters_and_exact_dollars(connection):
    import pandas as pd

    statement = "select fiscal_year, amount from report.transaction where fiscal_year >= %s order by 1"
    frame = pd.read_sql(statement, connection, params=(2024,), coerce_float=False)
    assert frame.to_dict("list") == {"fiscal_year": [2024, 2025], "amount": [Decimal("10.10"), Decimal("-0.01")]}
    assert str(frame["fiscal_year"].dtype) == "int64"
    parts = list(pd.read_sql("select transaction_id from report.transaction order by 1", connection, chunksize=1))
    assert [len(part) for part in parts] == [1, 1]
    assert pd.read_sql("select * from report.fund", connection).empty


# Rows in parts: what JDBC asks for with setMaxRows and setFetchSize, in messages of the protocol


class Wire:
    """A client that sends messages as they are given, and reads up to the next ReadyForQuery or portal's end."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.file = self.socket.makefile("rb")
        words = b"user\0clerk\0database\0city\0\0"
        self.socket.sendall(struct.pack("!ii", len(words) + 8, 196608) + words)
        assert self._message()[0] == b"R"
        assert self.send((b"p", b"Secret123\0"))[-1] == (b"Z", b"I")

    def _message(self) -> tuple[bytes, bytes]:
        kind, size = struct.unpack("!ci", self.file.read(5))
        return kind, self.file.read(size - 4)

    def send(self, *messages: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
        self.socket.sendall(b"".join(kind + struct.pack("!i", len(body) + 4) + body for kind, body in messages))
        found = [self._message()]
        while found[-1][0] != b"Z":
            found.append(self._message())
        return found

    def query(self, text: str) -> list[tuple[bytes, bytes]]:
        return self.send((b"Q", text.encode() + b"\0"))

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@pytest.fixture
def raw(endpoint, connection):
    with contextlib.closing(Wire(endpoint.port)) as client:
        yield client


SYNC = (b"S", b"")
STATEMENT = b"select i from (select 1 as i union all select 2 union all select 3) order by 1\0"
PREPARE = (b"P", b"\0" + STATEMENT + b"\0\0")
BIND = (b"B", b"portal\0\0" + b"\0\0" * 3)


def execute(limit: int) -> tuple[bytes, bytes]:
    return b"E", b"portal\0" + struct.pack("!i", limit)


def values(messages) -> list[bytes]:
    return [body[6:] for kind, body in messages if kind == b"D"]


def kinds(messages) -> str:
    return b"".join(kind for kind, _ in messages).decode()


def test_a_portal_gives_as_many_rows_as_are_asked_for_and_goes_on_where_it_stopped(raw):
    raw.query("begin")
    found = raw.send(PREPARE, BIND, execute(2), SYNC)
    assert (kinds(found), values(found)) == ("12DDsZ", [b"1", b"2"])
    found = raw.send(execute(2), SYNC)
    assert (kinds(found), values(found)) == ("DCZ", [b"3"])


def test_other_statements_meanwhile_do_not_mix_with_the_rows_of_a_portal(raw):
    raw.query("begin")
    many = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000) select i from n order by i"
    raw.send((b"P", b"\0" + many.encode() + b"\0\0\0"), BIND, execute(1), SYNC)
    assert values(raw.query("select 77")) == [b"77"]
    assert values(raw.send(execute(0), SYNC)) == [str(number).encode() for number in range(2, 5001)]


def test_a_portal_ends_with_its_transaction(raw):
    assert kinds(raw.send(PREPARE, BIND, execute(1), SYNC)) == "12DsZ"
    error = raw.send(execute(1), SYNC)[0]
    assert error[0] == b"E" and b"C34000\0" in error[1]
    assert values(raw.query("select 1")) == [b"1"]


def test_what_a_portal_has_changed_is_not_changed_twice(raw):
    raw.query("begin")
    raw.query("create temp table once (a int)")
    raw.send((b"P", b"\0insert into once values (1)\0\0\0"), BIND, execute(0), SYNC)
    error = raw.send(execute(0), SYNC)[0]
    assert error[0] == b"E" and b"C55000\0" in error[1]
