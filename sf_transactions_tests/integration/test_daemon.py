"""Once for real: the portal publishes, Dagster's daemon notices and launches the run, the warehouse changes."""

import os
import subprocess
import sys
import time

import pytest

from sf_transactions.local.portal import Portal
from sf_transactions_tests.integration.pipeline import pipeline
from sf_transactions_tests.rows import published

ROWS = [{"fiscal_year": str(year), "amount": f"{year}.25"} for year in (2017, 2018, 2019)]


@pytest.mark.full
def test_a_publication_reaches_the_warehouse_by_itself(tmp_path):
    served = Portal(published(*ROWS)).start()
    with pipeline(tmp_path / "home") as standing:
        assert standing.run(served.url, 2017, 2019).success
        dagster_home = tmp_path / "dagster"
        dagster_home.mkdir()
        (dagster_home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
        environment = os.environ | {"DAGSTER_HOME": str(dagster_home), "DATASF_BASE_URL": served.url}
        module = ["-m", "sf_transactions"]
        subprocess.run(
            [sys.executable, "-m", "dagster", "sensor", "start", "publication", *module],
            env=environment,
            check=True,
            capture_output=True,
        )
        served.republish(published(*ROWS[:2], ROWS[2] | {"amount": "3.5"}))
        log = (tmp_path / "daemon.log").open("w")
        daemon = subprocess.Popen(
            [sys.executable, "-m", "dagster._daemon", "run", *module], env=environment, stdout=log, stderr=log
        )
        try:
            deadline = time.monotonic() + 180
            question = "select amount from report.transaction where fiscal_year = 2019"
            while [str(amount) for (amount,) in standing.query(question)] != ["3.50"]:
                assert daemon.poll() is None, (tmp_path / "daemon.log").read_text()
                assert time.monotonic() < deadline, (tmp_path / "daemon.log").read_text()
                time.sleep(1)
        finally:
            daemon.terminate()
            daemon.wait(60)
            served.stop()
