"""COPY of the Redshift stand-in, from a real S3 API: what loads, what is refused, and what the system table tells."""

import gzip
import time
from decimal import Decimal

import pytest
import redshift_connector

from sf_transactions_tests.integration.redshift import BUCKET, ROLE, ask, code, connect, refused

COLUMNS = "id bigint not null, word varchar(5), amount decimal(18,2), day date, at timestamp, yes boolean, f float8"


@pytest.fixture
def connection(endpoint):
    connection = connect(endpoint)
    ask(connection, f"create temp table t ({COLUMNS})")
    connection.commit()
    yield connection
    connection.close()


def load(connection: redshift_connector.Connection, url: str, options: str = "csv gzip", table: str = "t") -> list:
    """Copies and commits; gives what the table holds."""
    ask(connection, f"copy {table} from '{url}' iam_role '{ROLE}' {options}")
    connection.commit()
    return ask(connection, f"select * from {table.split()[0]} order by 1")


def fault(connection: redshift_connector.Connection, url: str, options: str = "csv gzip", table: str = "t") -> list:
    """Line, column and message of the row that a failed COPY leaves in SYS_LOAD_ERROR_DETAIL."""
    with pytest.raises(redshift_connector.Error) as error:
        load(connection, url, options, table)
    assert code(error.value) == "XX000"
    assert error.value.args[0]["M"] == (
        "Load into table 't' failed. Check 'sys_load_error_detail' system table for details."
    )
    connection.rollback()
    ((name, *found),) = ask(
        connection,
        "select trim(file_name), line_number, column_name, error_message from sys_load_error_detail"
        " where session_id = pg_backend_pid() order by start_time desc limit 1",
    )
    assert name == url
    assert ask(connection, "select count(*) from t") == [[0]]
    return found


def test_every_type_is_loaded_exactly(connection, bucket):
    url = bucket.put(
        "types.csv",
        "header,of,any,kind\n"
        '9007199254740993,"a,""b",-1234567890123456.78,2025-06-30,2025-06-30 01:02:03.5,t,0.5\n'
        "-2,,,,,,\r\n"
        '3," é",.5,2024-02-29,2024-02-29,FALSE,1e3',
    )
    import datetime

    assert load(connection, url, "format as csv gzip ignoreheader 1") == [
        [-2, "", None, None, None, None, None],
        [3, " é", Decimal("0.50"), datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29), False, 1000.0],
        [9007199254740993, 'a,"b', Decimal("-1234567890123456.78"), datetime.date(2025, 6, 30),
         datetime.datetime(2025, 6, 30, 1, 2, 3, 500000), True, 0.5],
    ]  # fmt: skip
    assert ask(connection, "select pg_last_copy_count()") == [[3]]


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ("x,a,1,,,,", "id", "Invalid digit, Value 'x'"),
        ("0x1F,a,1,,,,", "id", "Invalid digit, Value '0x1F'"),
        ("1.0,a,1,,,,", "id", "Invalid digit, Value '1.0'"),
        ("9223372036854775808,a,1,,,,", "id", "Overflow, Value '9223372036854775808'"),
        (",a,1,,,,", "id", "Missing data for not-null field"),
        ("\\N,a,1,,,,", "id", "Missing data for not-null field"),
        ("1,ééé,1,,,,", "word", "String length exceeds DDL length: 6 bytes for VARCHAR(5)"),
        ("1,a,1.005,,,,", "amount", "more digits behind the point"),
        ("1,a,1e2,,,,", "amount", "Invalid digit, Value '1e2'"),
        ("1,a,NaN,,,,", "amount", "Invalid digit, Value 'NaN'"),
        ("1,a,12345678901234567.00,,,,", "amount", "Overflow"),
        ("1,a,1,2025-02-30,,,", "day", "Invalid date format or value '2025-02-30'"),
        ("1,a,1,6/30/2025,,,", "day", "6/30/2025"),
        ("1,a,1,,,maybe,", "yes", "maybe"),
        ("1,a,1,,,", "f", "Delimiter not found"),
        ("", "word", "Delimiter not found"),
        ("1,a,1,,,,,", "", "Extra column(s) found"),
        ('1,"a"b,1,,,,', "", "Invalid quote formatting for CSV"),
        ('1,a"b,1,,,,', "", "Invalid quote formatting for CSV"),
        ('1,"ab,1,,,,', "", "Invalid quote formatting for CSV"),
    ],
)
def test_the_line_at_fault_is_named_and_nothing_is_loaded(connection, bucket, line, column, message):
    url = bucket.put("fault.csv", f'id,...\n1,"a\nb",1,,,,\n{line}\n5,b,2,,,,\n')
    found = fault(connection, url, "csv gzip ignoreheader 1")
    assert found[:2] == [4, column]
    assert message in found[2]


def test_a_single_bad_line_without_an_end_is_no_empty_file(connection, bucket):
    assert fault(connection, bucket.put("one.csv", "x,a,1,,,,"))[:2] == [1, "id"]


def test_text_that_is_no_utf8_is_refused_with_its_line(connection, bucket):
    found = fault(connection, bucket.put("latin.csv", "1,a,1,,,,\n2,é,1,,,,\n".encode("latin-1")))
    assert found[0] == 2 and "UTF8" in found[2]


@pytest.mark.parametrize("damage", [lambda c: c[:-9], lambda c: c[:20] + b"\0\0" + c[22:], lambda c: b"no gzip at all"])
def test_a_damaged_gzip_file_is_refused(connection, bucket, damage):
    content = gzip.compress(b"1,a,1,,,,\n" * 1000)
    url = bucket.put("damaged.csv", damage(content), zipped=False)
    assert "gzip" in fault(connection, url)[2]


def test_a_fault_in_the_second_file_undoes_the_first_also_within_a_transaction(connection, bucket):
    good, bad = bucket.put("part/1", "1,a,1,,,,\n"), bucket.put("part/2", "1,a,1,,,,\n2,b,?,,,,\n")
    with pytest.raises(redshift_connector.Error):
        load(connection, bucket.manifest("both", [good, bad]), "csv gzip manifest")
    connection.rollback()
    assert ask(connection, "select count(*) from t") == [[0]]
    found = ask(
        connection,
        "select line_number, column_type, column_length from sys_load_error_detail where file_name = %s",
        (bad,),
    )
    assert found == [[2, "decimal(18,2)", ""]]


def test_the_table_is_as_good_as_before_after_a_refused_file(connection, bucket):
    fault(connection, bucket.put("x.csv", "9223372036854775808,a,1,,,,\n"))
    assert load(connection, bucket.put("y.csv", "1,a,1,,,,\n"))[0][:3] == [1, "a", Decimal("1.00")]


def test_empty_files_and_files_of_headers_load_nothing(connection, bucket):
    urls = [bucket.put("empty", ""), bucket.put("header", "id\n"), bucket.put("bare", "id")]
    assert load(connection, bucket.manifest("nothing", urls), "csv gzip manifest ignoreheader 1") == []


@pytest.mark.parametrize(
    ("options", "content", "words"),
    [
        ("csv", ',""\n', ["", ""]),
        ("csv emptyasnull", ',""\n', [None, ""]),
        ("csv", "\\N,x\n", [None, "x"]),
        ("csv null as 'nil'", "nil,\\N\n", [None, "\\N"]),
        ("csv", "  ,x\n", ["  ", "x"]),
        ("csv blanksasnull", "  ,x\n", [None, "x"]),
        ("csv truncatecolumns", "éééé,x\n", ["éé", "x"]),
        ("csv delimiter '|'", "a,b|x\n", ["a,b", "x"]),
        ("csv delimiter as '\\t' quote as '%'", "%a\tb%\tx\n", ["a\tb", "x"]),
        ("csv encoding utf8 dateformat 'auto' timeformat 'auto' maxerror 0 region 'us-west-2'", "a,b\n", ["a", "b"]),
        ("csv compupdate off statupdate on", "a,b\n", ["a", "b"]),
    ],
)  # fmt: skip
def test_options_do_what_redshifts_do(connection, bucket, options, content, words):
    ask(connection, "create temp table words (a varchar(5), b varchar(5))")
    assert load(connection, bucket.put("words.csv", content, zipped=False), options, "words") == [words]


def test_columns_may_be_named_in_another_order(connection, bucket):
    url = bucket.put("order.csv", "ab,7\n")
    assert load(connection, url, table='t ("word", ID)')[0][:3] == [7, "ab", None]
    assert refused(connection, f"copy t (nothing) from '{url}' iam_role '{ROLE}' csv") == "42703"
    assert refused(connection, f"copy t (word) from '{url}' iam_role '{ROLE}' csv gzip") == "XX000"


@pytest.mark.parametrize(
    ("options", "state"),
    [
        ("csv escape", "0A000"),
        ("csv acceptinvchars", "0A000"),
        ("csv maxerror 5", "0A000"),
        ("json 'auto'", "0A000"),
        ("parquet", "0A000"),
        ("gzip", "0A000"),
        ("csv csv", "42601"),
        ("csv dateformat 'DD.MM.YYYY'", "0A000"),
        ("csv encoding utf16", "0A000"),
    ],
)
def test_other_options_are_refused(connection, bucket, options, state):
    url = bucket.put("fine.csv", "1,a,1,,,,\n")
    assert refused(connection, f"copy t from '{url}' iam_role '{ROLE}' {options}") == state


def test_a_role_that_is_not_the_clusters_may_not_read(connection, bucket):
    url = bucket.put("fine.csv", "1,a,1,,,,\n")
    with pytest.raises(redshift_connector.Error, match="User admin is not authorized to assume IAM Role arn:other"):
        ask(connection, f"copy t from '{url}' iam_role 'arn:other' csv gzip")
    connection.rollback()
    assert refused(connection, f"copy t from '{url}' csv gzip") == "42601"
    assert len(load(connection, url, "csv gzip")) == 1
    ask(connection, f"copy t from '{url}' iam_role default csv gzip")


def test_a_prefix_names_every_object_below_it_and_must_name_one(connection, bucket):
    bucket.put("many/1", "1,a,1,,,,\n")
    bucket.put("many/2", "2,a,1,,,,\n")
    assert [row[0] for row in load(connection, f"s3://{BUCKET}/many/")] == [1, 2]
    with pytest.raises(redshift_connector.Error, match="The specified S3 prefix 'none/' does not exist"):
        load(connection, f"s3://{BUCKET}/none/")
    connection.rollback()
    assert refused(connection, f"copy t from 's3://no-such-bucket/x' iam_role '{ROLE}' csv") == "XX000"


def test_a_manifest_is_taken_at_its_word(connection, bucket):
    url = bucket.put("listed.csv", "1,a,1,,,,\n")
    size = bucket.client.head_object(Bucket=BUCKET, Key="listed.csv")["ContentLength"]
    missing = f"s3://{BUCKET}/missing.csv"
    for manifest, message in (
        (bucket.manifest("m1", [url, missing]), "the mandatory file s3://redshift-test/missing.csv does not exist"),
        (bucket.manifest("m2", [url], content_length=size + 1), "bytes, the manifest says"),
        (bucket.put("m3", "{}", zipped=False), "Invalid manifest"),
        (f"s3://{BUCKET}/m4", "S3ServiceException"),
    ):
        with pytest.raises(redshift_connector.Error, match=message):
            load(connection, manifest, "csv gzip manifest")
        connection.rollback()
        assert ask(connection, "select count(*) from t") == [[0]]
    assert len(load(connection, bucket.manifest("m5", [url], content_length=size), "csv gzip manifest")) == 1
    assert len(load(connection, bucket.manifest("m6", [missing], mandatory=False), "csv gzip manifest")) == 1


def test_copy_outside_of_a_transaction_keeps_all_or_nothing(endpoint, bucket):
    connection = connect(endpoint)
    connection.autocommit = True
    ask(connection, "create table public.alone (a int)")
    good, bad = bucket.put("alone/1", "1\n"), bucket.put("alone/2", "?\n")
    with pytest.raises(redshift_connector.Error):
        ask(connection, f"copy alone from '{bucket.manifest('a', [good, bad])}' iam_role '{ROLE}' csv gzip manifest")
    assert ask(connection, "select count(*) from alone") == [[0]]
    ask(connection, f"copy alone from '{good}' iam_role '{ROLE}' csv gzip")
    assert ask(connection, "select a from alone") == [[1]]
    connection.close()


@pytest.mark.full
def test_as_many_rows_as_are_published_load_in_seconds(connection, bucket):
    ask(connection, "create temp table big (id bigint not null, year int, p bigint, amount decimal(18,2) not null)")
    lines = [f"{i * 7919},{1999 + i % 27},{2**62 - i},{i}.{i % 100:02}" for i in range(776_841)]
    urls = [bucket.put(f"big/{part}", "\n".join(lines[part::8])) for part in range(8)]
    started = time.monotonic()
    ask(connection, f"copy big from '{bucket.manifest('b', urls)}' iam_role '{ROLE}' csv gzip manifest")
    assert time.monotonic() - started < 20
    expected = sum(i * 100 + i % 100 for i in range(776_841))
    assert ask(connection, "select count(*), sum(amount) from big") == [[776_841, Decimal(expected) / 100]]


def test_a_value_that_only_the_database_refuses_is_found_among_all_files(connection, bucket):
    good = bucket.put("days/1.csv", "1,a,1,2025-02-28,,,\n")
    bad = bucket.put("days/2.csv", "2,a,1,2025-02-28,,,\n3,a,1,2025-02-30,,,\n")
    bucket.put("days/3.csv", "4,a,1,2025-02-28,,,\n")
    assert good < bad
    with pytest.raises(redshift_connector.Error):
        load(connection, f"s3://{BUCKET}/days/")
    connection.rollback()
    assert ask(
        connection,
        "select trim(file_name), line_number, trim(column_name) from sys_load_error_detail"
        " where session_id = pg_backend_pid() order by start_time desc limit 1",
    ) == [[bad, 2, "day"]]


def test_what_was_read_is_let_go_before_the_transaction_ends(connection, bucket):
    import pyarrow as pa

    url = bucket.put("much.csv", "".join(f"{number},word,1.5,2025-06-30,,t,0.5\n" for number in range(200_000)))
    before = pa.total_allocated_bytes()
    for _ in range(3):
        ask(connection, f"copy t from '{url}' iam_role '{ROLE}' csv gzip")
    assert pa.total_allocated_bytes() - before < 1 << 20
    connection.rollback()
