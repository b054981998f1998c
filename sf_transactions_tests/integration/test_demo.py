"""The promise of the README: the whole pipeline on a machine with nothing but this project."""

import csv
import io
import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sf_transactions.transform.amounts import control_totals

# Loaded by every Python process of the demo: any address it asks for outside of loopback is written down and refused.
WATCH = """
import ipaddress, os, sys

def watch(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    try:
        ours = ipaddress.ip_address(host).is_loopback
    except ValueError:
        ours = host in (None, "", "localhost")
    if not ours:
        with open(os.environ["WATCHED"], "a") as file:
            file.write(f"{host} {sys.argv}\\n")
        raise PermissionError(f"{host} is outside of loopback")

sys.addaudithook(watch)
open(os.environ["WATCHED"] + ".on", "a").write(f"{sys.argv}\\n")
"""
OURS = re.compile(r"^(AWS_|DATASF_|SFTP_|REDSHIFT_|S3_|SF_TRANSACTIONS_|DAGSTER_)")


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> dict[str, str]:
    bare = {name: value for name, value in os.environ.items() if not OURS.match(name)}
    home = tmp_path_factory.mktemp("home")
    watch = tmp_path_factory.mktemp("watch")
    (watch / "sitecustomize.py").write_text(WATCH)
    return bare | {
        "SF_TRANSACTIONS_HOME": str(home),
        "SF_TRANSACTIONS_SAMPLE_ROWS": "2000",
        "PYTHONPATH": str(watch),
        "WATCHED": str(watch / "asked"),
    }


def command(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from sf_transactions.cli import main; main()"]
    return subprocess.run([*program, *arguments], env=environment, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def demo(environment) -> subprocess.CompletedProcess[str]:
    return command(environment, "demo")


@pytest.fixture
def exported(environment, demo):
    """The stand-ins again, after the demo has stopped them, and the environment that `local env` prints."""
    assert command(environment, "local", "up").returncode == 0
    printed = command(environment, "local", "env").stdout
    settings = dict(line.removeprefix("export ").split("=", 1) for line in printed.splitlines())
    yield environment | settings
    assert command(environment, "local", "down").returncode == 0


def test_the_demo_passes_every_check_and_says_where_the_dashboard_is(environment, demo):
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert ", 0 failed" in demo.stdout
    assert (Path(environment["SF_TRANSACTIONS_HOME"]) / "dashboard.html").exists()
    assert "2,000" in (Path(environment["SF_TRANSACTIONS_HOME"]) / "dashboard.html").read_text(encoding="utf-8")


def test_after_the_demo_nothing_of_it_runs(environment, demo):
    assert "not running" in command(environment, "local", "status").stdout


def test_the_demo_asks_for_no_address_outside_of_loopback(environment, demo):
    watched = Path(environment["WATCHED"])
    processes = watched.with_suffix(".on").read_text()
    assert "materialize" in processes  # Dagster's own process was watched too
    assert not watched.exists(), watched.read_text()


def test_after_a_restart_the_warehouse_answers_to_the_cent_and_the_plan_is_empty(exported):
    (sample,) = (Path(exported["SF_TRANSACTIONS_HOME"]) / "local").glob("sample-*.parquet")
    expected = {side: (total.rows, total.amount) for side, total in control_totals(pq.read_table(sample)).items()}
    question = (
        "select f.revenue_or_spending, count(*), sum(t.amount) from report.transaction t"
        " join report.finance f on f.finance_id = t.finance_id group by 1"
    )
    answer = command(exported, "query", "--csv", question)
    header, *rows = csv.reader(io.StringIO(answer.stdout))
    assert header == ["revenue_or_spending", "count", "sum"]
    assert {side: (int(count), Decimal(total)) for side, count, total in rows} == expected
    assert command(exported, "plan").returncode == 0


def test_an_answer_in_csv_is_exact_beside_nulls(exported):
    question = (
        "select 9007199254740993 as id, 1.10 as amount, 'a, \"b\"' as name union all select null, null, null order by 1"
    )
    assert command(exported, "query", "--csv", question).stdout.splitlines() == [
        "id,amount,name",
        '9007199254740993,1.10,"a, ""b"""',
        ",,",
    ]


def test_an_error_of_the_user_is_one_line_and_no_trace(exported):
    answer = command(exported, "query", "select * from report.nothing")
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert answer.stderr.startswith("Error: ")
    assert "Traceback" not in answer.stderr


def test_env_prints_no_app_token(exported):
    assert "DATASF_APP_TOKEN" not in command(exported, "local", "env").stdout
