"""`sf-transactions query`: a table, CSV, JSON, errors that point at the fault, and a prompt."""

import csv
import io
import json
import os
import pty
import re
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from sf_transactions.cli import main
from sf_transactions.local.portal import Portal
from sf_transactions_tests.integration.pipeline import pipeline
from sf_transactions_tests.rows import published

QUERIES = Path(__file__).parents[2] / "docs" / "queries.md"
ROWS = (
    {"fiscal_year": "2018", "amount": "-10242888.26", "program": 'Said "so", and\nmore'},
    {"fiscal_year": "2019", "amount": "0.1"},
    {"fiscal_year": "2019", "amount": "12345678901234.56", "revenue_or_spending": "Revenue", "character_code": "ELS"},
)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    portal = Portal(published(*ROWS)).start()
    with pipeline(tmp_path_factory.mktemp("query") / "home") as started:
        run = started.run(portal.url, 2018, 2019)
        portal.stop()
        assert run.success, run.errors
        yield started


@pytest.fixture
def query(loaded):
    def ask(*arguments: str, **more):
        return CliRunner().invoke(main, ["query", *arguments], **more)

    return ask


def test_csv_is_a_header_and_rows_with_exact_decimals_and_nothing_else(query):
    found = query(
        "--csv",
        "select t.fiscal_year, p.program, t.amount, null as nothing from report.transaction t"
        " join report.program p on p.program_id = t.program_id order by t.amount",
    )
    assert (found.exit_code, found.stderr) == (0, "")
    written = found.stdout_bytes.decode()
    rows = list(csv.reader(io.StringIO(written, newline=""), strict=True))
    assert rows == [
        ["fiscal_year", "program", "amount", "nothing"],
        ["2018", 'Said "so", and\nmore', "-10242888.26", ""],
        ["2019", "Administration", "0.10", ""],
        ["2019", "Administration", "12345678901234.56", ""],
    ]
    assert written.count("\r\n") == 4


def test_json_keeps_every_digit(query):
    found = query("--json", "select transaction_id, amount, null as n, true as yes from report.transaction order by 2")
    rows = json.loads(found.stdout, parse_float=Decimal)
    assert [row["amount"] for row in rows] == [Decimal("-10242888.26"), Decimal("0.10"), Decimal("12345678901234.56")]
    assert all(isinstance(row["transaction_id"], int) and row["n"] is None and row["yes"] is True for row in rows)
    assert json.loads(query("--json", "select 1 as a where 1 = 0").stdout) == []


def test_a_limit_says_that_there_is_more_and_not_in_the_output(query):
    found = query("--csv", "--limit", "1", "select amount from report.transaction order by amount")
    assert found.stdout.splitlines() == ["amount", "-10242888.26"]
    assert "there are more" in found.stderr
    assert query("--csv", "--limit", "3", "select amount from report.transaction").stderr == ""


def test_the_table_shows_what_was_published_as_it_is(query):
    found = query("select '[bold]not markup' as a, 12.50 as b, null as c")
    assert "[bold]not markup" in found.stdout and "12.50" in found.stdout


@pytest.mark.parametrize(
    ("statement", "line", "under"),
    [
        ("select fiscal_year,\n  amuont\nfrom report.transaction", "LINE 2:   amuont", "amuont"),
        ("select 1 from report.nothing", "LINE 1: select 1 from report.nothing", "nothing"),
        ("select (1", "LINE 1: select (1", "1"),
    ],
)
def test_an_error_points_at_the_fault(query, statement, line, under):
    found = query(statement)
    assert found.exit_code == 1 and found.stdout == ""
    shown = found.stderr.splitlines()
    at = shown.index(line)
    assert line[shown[at + 1].index("^") :].startswith(under)


def test_a_statement_without_rows_prints_nothing_and_takes_effect(query):
    assert query("create table report.noted (a int)").stdout == ""
    assert query("--csv", "select count(*) as n from report.noted").stdout_bytes == b"n\r\n0\r\n"
    query("drop table report.noted")


def test_the_prompt_takes_statements_up_to_their_semicolon_and_survives_errors(query):
    found = query(input="select 1\n as one;\nselect nope;\nselect 2 as two;\n")
    assert found.exit_code == 0
    assert re.search(r"one.*two", found.stdout, re.S)
    assert "nope" in found.stderr


def test_the_prompt_keeps_a_history_across_sessions(loaded):
    def session(typed: bytes) -> str:
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(sys.executable, [sys.executable, "-c", "from sf_transactions.cli import main; main()", "query"])
        shown, deadline = b"", time.monotonic() + 60
        while b"sf> " not in shown and time.monotonic() < deadline:
            shown += os.read(terminal, 4096)
        os.write(terminal, typed + b"\n\x04")
        while True:
            try:
                shown += os.read(terminal, 4096)
            except OSError:  # it has ended
                break
        os.waitpid(pid, 0)
        os.close(terminal)
        return shown.decode()

    assert "77" in session(b"select 70 + 7 as sum;")
    history = loaded.settings.home / "query_history"
    assert "select 70 + 7 as sum;" in history.read_text(encoding="utf-8")
    assert history.stat().st_mode & 0o777 == 0o600
    assert "77" in session(b"\x1b[A")  # the arrow up


WORKED = re.findall(r"## (\d+)\. (.+?)\n.*?```sql\n(.*?);\n```", QUERIES.read_text(encoding="utf-8"), re.S)


def test_the_worked_queries_are_numbered_and_all_found():
    assert [int(number) for number, _, _ in WORKED] == list(range(1, 13))


@pytest.mark.parametrize("statement", [sql for *_, sql in WORKED], ids=[question for _, question, _ in WORKED])
def test_a_worked_query_runs(query, statement):
    found = query("--csv", statement)
    assert found.exit_code == 0, found.stderr
    header, *_rows = csv.reader(io.StringIO(found.stdout, newline=""))
    assert len(header) == len(set(header))


def test_the_worked_query_of_the_receipt_agrees_with_what_was_published(query):
    (statement,) = (sql for _, question, sql in WORKED if "trusted" in question)
    rows = list(csv.DictReader(io.StringIO(query("--csv", statement).stdout, newline="")))
    assert {row["portal_amount"] for row in rows} == {"-10242888.26", "0.10", "12345678901234.56"}
    assert all(row["portal_amount"] == row["warehouse_amount"] and row["first_difference"] == "" for row in rows)
