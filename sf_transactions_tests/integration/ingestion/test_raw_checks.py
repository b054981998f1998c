"""What is told of the published rows: an unknown form, unknown years, new columns, and what was restated."""

import json
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq

from sf_transactions_tests.integration.ingestion.pulling import SMALL, changed, in_2018, of, pull, rows


def test_a_row_of_unknown_form_stops_the_run_and_is_shown(served, home):
    served.republish(changed(SMALL, in_2018, related_govt_units="PERHAPS"))
    run = pull(served, home)
    assert not run.success
    assert run.checks["raw/transactions:known_form"] is False
    (error,) = run.errors
    assert "known_form: 1 row fails, first: fiscal_year 2018, reason related_govt_units 'PERHAPS' is neither" in error


def test_a_row_of_unknown_form_is_left_out_when_the_settings_say_so(served, home):
    table = changed(SMALL, in_2018, related_govt_units="PERHAPS")
    served.republish(table)
    run = pull(served, home, continue_without_quarantined=True)
    assert run.success, run.errors
    assert run.checks["raw/transactions:known_form"] is False
    assert run.materialized["raw/transactions"]["quarantined_rows"] == 1
    assert rows(home, 2018) == [row for row in of(table, 2018) if "PERHAPS" not in row]
    (apart,) = pq.read_table(home.quarantine("2018"), partitioning=None).to_pylist()
    assert apart["reason"] == "related_govt_units 'PERHAPS' is neither Yes nor No"
    source = json.loads(home.source("2018").read_text())
    kept, quarantined, said = (source[name]["Spending"] for name in ("totals", "quarantined", "published"))
    assert kept["rows"] + quarantined["rows"] == said["rows"] == 12
    assert Decimal(kept["amount"]) + Decimal(quarantined["amount"]) == Decimal(said["amount"])


def test_a_fiscal_year_that_is_none_is_named_with_a_row(served, home):
    served.republish(changed(SMALL, in_2018, fiscal_year="20188"))
    run = pull(served, home)
    (error,) = run.errors
    assert "known_fiscal_years" in error
    assert "fiscal_year 20188" in error
    assert "'program': 'Program 7'" in error


def test_a_new_column_is_kept_and_warned_about(served, home):
    assert pull(served, home).success
    served.republish(SMALL.append_column("ledger", pa.array(["01"] * SMALL.num_rows)))
    run = pull(served, home)
    assert run.success, run.errors
    assert run.checks["raw/transactions:no_new_columns"] is False
    assert pq.read_table(home.raw("2018"), partitioning=None)["ledger"].to_pylist() == ["01"] * 12


def test_a_restated_year_says_what_changed_and_keeps_the_version_before(served, home):
    assert pull(served, home).success
    first = of(SMALL, 2018)
    served.republish(changed(SMALL, in_2018, amount="1007.25"))
    run = pull(served, home, restatement_percent=1)
    assert run.success, run.errors
    table = run.materialized["raw/restatements"]["restatements"]
    assert [{name: record[name] for name in ("change", "rows", "dollars")} for record in table] == [
        {"change": "added", "rows": "1", "dollars": "1007.25"},
        {"change": "removed", "rows": "1", "dollars": "7.25"},
    ]
    (version,) = home.previous("2018").glob("*.parquet")
    assert sorted(map(json.dumps, pq.read_table(version, partitioning=None).to_pylist())) == first
    assert run.checks["raw/restatements:closed_years_stand"] is False


def test_relabelled_rows_are_no_warning(served, home):
    assert pull(served, home).success
    served.republish(changed(SMALL, in_2018, character_code="WAGES"))
    run = pull(served, home)
    (record,) = run.materialized["raw/restatements"]["restatements"]
    assert (record["change"], record["rows"]) == ("relabelled", "1")
    assert run.checks["raw/restatements:closed_years_stand"] is True


def test_only_so_many_earlier_versions_are_kept(served, home):
    for amount in range(5):
        served.republish(changed(SMALL, in_2018, amount=f"{amount}.01"))
        assert pull(served, home, previous_versions=2).success
    assert len(list(home.previous("2018").glob("*.parquet"))) == 2
