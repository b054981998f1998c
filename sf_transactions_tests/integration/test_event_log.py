"""Dagster's event log on this machine: faster, and the same."""

import subprocess
import sys

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage

from sf_transactions.cli.local import _dagster_home

YEARS = ["2023", "2024", "2025"]


def _asset(name: str):
    @dg.asset(
        name=name,
        partitions_def=dg.StaticPartitionsDefinition(YEARS),
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=[dg.AssetCheckSpec("holds", asset=name)],
    )
    def made(context: dg.AssetExecutionContext):
        yield dg.AssetCheckResult(passed=True)
        yield dg.MaterializeResult(metadata={"dagster/row_count": 3})

    return made


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A Dagster home as `local up` makes it, in which one run has made two assets for three years."""
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "100")
    home = tmp_path / "a home: with 'marks'"
    _dagster_home({"DAGSTER_HOME": str(home)})
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert type(instance.event_log_storage).__name__ == "BatchedSqliteEventLogStorage"
        result = dg.materialize(
            [_asset("one"), _asset("two")],
            instance=instance,
            tags={"dagster/asset_partition_range_start": "2023", "dagster/asset_partition_range_end": "2025"},
        )
        assert result.success
    return home


def test_dagsters_own_storage_reads_every_event(folder):
    theirs = SqliteEventLogStorage(str(folder / "history" / "runs"))
    for key in (dg.AssetKey("one"), dg.AssetKey("two")):
        assert theirs.get_materialized_partitions(key) == set(YEARS)
        planned = dg.EventRecordsFilter(dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED, asset_key=key)
        assert sorted(record.partition_key for record in theirs.get_event_records(planned)) == YEARS
        (check,) = theirs.get_asset_check_execution_history(dg.AssetCheckKey(key, "holds"), limit=5)
        assert check.status.value == "SUCCEEDED"
        (record,) = theirs.get_asset_records([key])
        last = record.asset_entry.last_materialization_record
        assert last is not None and last.storage_id == max(
            each.storage_id
            for each in theirs.get_event_records(dg.EventRecordsFilter(dg.DagsterEventType.ASSET_MATERIALIZATION, key))
        )
    (run_id,) = theirs.get_all_run_ids()
    made = theirs.get_logs_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    assert sorted(entry.dagster_event.partition for entry in made) == sorted(YEARS * 2)


def test_a_batch_that_breaks_off_leaves_nothing(folder):
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        storage = instance.event_log_storage
        (run_id,) = storage.get_all_run_ids()
        before = storage.get_logs_for_run(run_id)
        with pytest.raises(Exception, match="not an event"):
            storage.store_event_batch([before[0], "not an event"])
        assert storage.get_logs_for_run(run_id) == before
        storage.store_event(before[0])  # and the next one is stored as ever
        assert len(storage.get_logs_for_run(run_id)) == len(before) + 1


def test_a_table_that_is_not_there_yet_is_asked_for_again(folder):
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        storage = instance.event_log_storage
        assert not storage.has_table("later")
        with storage.index_connection() as connection:
            connection.exec_driver_sql("create table later (one integer)")
        assert storage.has_table("later")


@pytest.mark.parametrize("loaded, kept", [("", True), ("import duckdb", False)])
def test_a_process_that_loaded_the_assets_ends_without_a_last_collection(loaded, kept):
    """Except where DuckDB is, whose objects are to go before it."""
    code = f"""
import atexit, gc
atexit.register(lambda: print(gc.get_freeze_count() > 0))  # the last to be called
import sf_transactions.local.event_log, sf_transactions.definitions
{loaded}
"""
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == [str(kept)]
