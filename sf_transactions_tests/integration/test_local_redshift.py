import gzip
import json
import os
import shutil
import subprocess
from decimal import Decimal

import boto3
import pytest
import redshift_connector

from sf_transactions.ddl import schema_statements
from sf_transactions.local.redshift.server import Cluster, RedshiftEndpoint
from sf_transactions_tests.integration.moto_aws import moto_aws

ROLE = "arn:aws:iam::123456789012:role/reader"
CLUSTER = Cluster("books", "city", "clerk", "Secret123", (ROLE,))


class Place:
    """An endpoint, its clusters and a bucket."""

    def __init__(self, tmp_path, s3) -> None:
        self.database, self.s3, self.clusters = tmp_path / "warehouse.duckdb", s3, [CLUSTER]
        self.start()

    def start(self) -> None:
        self.endpoint = RedshiftEndpoint(self.database, lambda: self.clusters, lambda: self.s3)
        self.endpoint.start()

    def connect(self, user="clerk", password="Secret123", database="city"):
        return redshift_connector.connect(
            host="127.0.0.1", port=self.endpoint.port, user=user, password=password, database=database, ssl=False
        )

    def put(self, key: str, text: str | bytes) -> None:
        content = text if isinstance(text, bytes) else gzip.compress(text.encode())
        self.s3.put_object(Bucket="city-books", Key=key, Body=content)

    def manifest(self, *keys: str) -> None:
        entries = [{"url": f"s3://city-books/{key}", "mandatory": True} for key in keys]
        self.s3.put_object(Bucket="city-books", Key="manifest", Body=json.dumps({"entries": entries}))


@pytest.fixture
def place(tmp_path, monkeypatch):
    with moto_aws(monkeypatch):
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="city-books", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        place = Place(tmp_path, s3)
        yield place
        place.endpoint.stop()


@pytest.fixture
def cursor(place):
    with place.connect() as connection:
        cursor = connection.cursor()
        for statement in schema_statements():
            cursor.execute(statement)
        connection.commit()
        yield cursor


def refused(cursor, statement: str, parameters=None) -> str:
    """The SQLSTATE with which a statement is refused."""
    with pytest.raises(redshift_connector.Error) as caught:
        cursor.execute(statement, parameters)
    cursor.connection.rollback()
    return caught.value.args[0]["C"]


def rows(cursor, statement: str) -> list:
    cursor.execute(statement)
    return [tuple(row) for row in cursor.fetchall()]


COPY = (
    f"copy report.fund_evidence from 's3://city-books/manifest' iam_role '{ROLE}'"
    " format as csv gzip ignoreheader 1 manifest"
)
HEADER = (
    "fiscal_year,fund_category,fund_category_code,fund,fund_code,fund_type,fund_type_code,row_count,revenue,spending\n"
)


def test_nobody_gets_in_without_a_cluster_the_right_user_password_and_database(place):
    for given, state in (
        ({"password": "wrong"}, "28P01"),
        ({"password": ""}, "28P01"),
        ({"user": "root"}, "28P01"),
        ({"database": "other"}, "3D000"),
    ):
        with pytest.raises(redshift_connector.Error, match=state):
            place.connect(**given)
    place.clusters = []
    with pytest.raises(redshift_connector.Error, match="sf-transactions provision"):
        place.connect()


def test_decimals_nulls_and_counts_come_back_exactly(cursor):
    cursor.execute("insert into report.transaction values (1, 2025, 1, 1, 1, 1, %s)", (Decimal("-10242888.26"),))
    cursor.execute("insert into report.transaction values (2, 2025, 1, 1, 1, 1, 0.10)")
    found = rows(cursor, "select count(*), sum(amount), min(fiscal_year), nvl(null, 'x'), null from report.transaction")
    assert found == [(2, Decimal("-10242888.16"), 2025, "x", None)]


def test_integer_division_is_that_of_redshift(cursor):
    assert rows(cursor, "select 7 / 2, -7 / 2") == [(3, -3)]


def test_a_rollback_undoes_ddl_and_rows(cursor):
    cursor.execute("create table report.other (a bigint)")
    cursor.execute("insert into report.finance values (1, 'Revenue')")
    cursor.connection.rollback()
    assert rows(cursor, "select * from report.finance") == []
    assert refused(cursor, "select * from report.other") == "42P01"


def test_after_an_error_the_transaction_takes_nothing_but_its_end(cursor):
    cursor.execute("insert into report.finance values (1, 'Revenue')")
    with pytest.raises(redshift_connector.Error):
        cursor.execute("select nothing from report.finance")
    with pytest.raises(redshift_connector.Error, match="25P02"):
        cursor.execute("select 1")
    cursor.connection.commit()
    assert rows(cursor, "select * from report.finance") == []


def test_what_was_committed_is_there_after_a_restart(place):
    with place.connect() as connection:
        for statement in (*schema_statements(), "insert into report.finance values (1, 'Revenue')"):
            connection.cursor().execute(statement)
        connection.commit()
    place.endpoint.stop()
    place.start()
    with place.connect() as connection:
        assert rows(connection.cursor(), "select * from report.finance") == [(1, "Revenue")]


@pytest.mark.parametrize(
    ("statement", "state"),
    [
        ("selec 1", "42601"),
        ("select * from report.nothing", "42P01"),
        ("select nothing from report.finance", "42703"),
        ("select no_such_function(1)", "42883"),
        ("select 'a'::integer", "22P02"),
        ("insert into report.finance values (null, 'a')", "23502"),
        ("insert into report.finance values (1, 'é' || repeat('x', 299))", "22001"),
        ("create table report.finance (a bigint)", "42P07"),
        ("select * from read_csv('/etc/passwd')", "0A000"),
        ("select * from '/etc/passwd'", "42P01"),
        ("attach 'x.db'", "42601"),
        ("install httpfs", "0A000"),
        ("pragma version", "0A000"),
        ("copy report.finance to 's3://city-books/x'", "42601"),
        ("create table report.x (a bigint) diststyle sideways", "42601"),
        ("set no_such_setting to 1", "42704"),
    ],
)
def test_what_redshift_does_not_know_is_refused_with_its_sqlstate(cursor, statement, state):
    assert refused(cursor, statement) == state


def test_keys_are_not_enforced_as_in_redshift(cursor):
    for _ in range(2):
        cursor.execute("insert into report.transaction values (1, 2025, 1, 1, 1, 1, 1)")
    assert rows(cursor, "select count(*) from report.transaction") == [(2,)]


def test_copy_loads_what_the_manifest_lists_and_keeps_every_character(place, cursor):
    place.put("a.csv.gz", HEADER + '2025,"Grants, ""big""",072,Café,NA,General Fund,1G,3,0,0.5\n')
    place.put("b.csv.gz", HEADER + "2025,Other,0,Port,00310,General Fund,1G,1,0,0.5\n")
    place.put("stray.csv.gz", HEADER + "nonsense\n")
    place.manifest("a.csv.gz", "b.csv.gz")
    cursor.execute(COPY)
    assert rows(
        cursor, "select fund_category, fund_category_code, fund, fund_code from report.fund_evidence order by 3"
    ) == [
        ('Grants, "big"', "072", "Café", "NA"),
        ("Other", "0", "Port", "00310"),
    ]


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        ("20x5,a,b,c,d,e,f,1,0,0", "fiscal_year", "Invalid digit"),
        ("2025,a,b,c,d,e,f,,0,0", "row_count", "Missing data"),
        (f"2025,{'é' * 151},b,c,d,e,f,1,0,0", "fund_category", "exceeds DDL length"),
        ("2025,a,b,c,d,e,f,1,0", "spending", "Delimiter not found"),
        ("2025,a,b,c,d,e,f,1,0,0,2", "", "Extra column"),
        ("2025,a,b,c,d,e,f,99999999999999999999,0,0", "row_count", "Overflow"),
    ],
)
def test_copy_of_a_bad_line_names_file_line_column_and_reason_and_loads_nothing(place, cursor, line, column, reason):
    place.put("a.csv.gz", HEADER + "2025,a,b,c,d,e,f,1,0,0\n" + line + "\n")
    place.manifest("a.csv.gz")
    assert refused(cursor, COPY) == "XX000"
    ((file, number, name, message),) = rows(
        cursor, "select file_name, line_number, column_name, error_message from sys_load_error_detail"
    )
    assert (file, number, name) == ("s3://city-books/a.csv.gz", 3, column)
    assert reason in message
    assert rows(cursor, "select * from report.fund_evidence") == []


def test_copy_of_a_missing_mandatory_file_a_cut_file_or_with_another_role_loads_nothing(place, cursor):
    place.put("a.csv.gz", HEADER + "2025,a,b,c,d,e,f,1,0,0\n")
    place.manifest("a.csv.gz", "missing.csv.gz")
    assert refused(cursor, COPY) == "XX000"
    place.put("cut.csv.gz", gzip.compress((HEADER + "2025,a,b,c,d,e,f,1,0,0\n" * 99).encode())[:-20])
    place.manifest("a.csv.gz", "cut.csv.gz")
    assert refused(cursor, COPY) == "XX000"
    place.manifest("a.csv.gz")
    assert refused(cursor, COPY.replace(ROLE, ROLE + "s")) == "42501"
    assert refused(cursor, COPY + " escape") == "0A000"
    assert rows(cursor, "select * from report.fund_evidence") == []


@pytest.mark.skipif(shutil.which("psql") is None, reason="no psql on this machine")
def test_psql_asks_the_same_question(place, cursor):
    cursor.execute("insert into report.transaction values (1, 2025, 1, 1, 1, 7, 12.30)")
    cursor.connection.commit()
    command = ["psql", "-h", "127.0.0.1", "-p", str(place.endpoint.port), "-U", "clerk", "-d", "city", "--csv", "-c"]
    question = "select finance_id, count(*), sum(amount) from report.transaction group by 1"
    environment = os.environ | {"PGPASSWORD": "Secret123"}
    done = subprocess.run([*command, question], capture_output=True, text=True, env=environment, timeout=60)
    assert done.stdout == "finance_id,count,sum\n7,1,12.30\n", done.stderr
