"""Past one machine: `python -m bench.scale` measures what a partition costs, for docs/scale.md.

A partition of one fiscal year is made larger by repeating it, up to a hundred times: so large would be the same year of
a city a hundred times as large. A hundred cities are a hundred times as many partitions: the job of empty assets tells
what Dagster takes for them, by where it stores its events. Postgres is measured where DAGSTER_POSTGRES_URL names a
database and the package dagster-postgres is installed.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import dagster as dg

from bench import inputs
from bench.pipeline import PLAIN
from bench.process import command, work
from sf_transactions.cli.local import DAGSTER_YAML

YEAR = "2024"
ASSETS = 30
BATCHED = {"DAGSTER_EVENT_BATCH_SIZE": "100"}
POSTGRES = PLAIN + "storage: {postgres: {postgres_url: {env: DAGSTER_POSTGRES_URL}}}\n"
# By the name of the storage, its dagster.yaml and the environment of a run.
STORAGES: dict[str, tuple[str, dict[str, str]]] = {
    "SQLite": (PLAIN, {}),
    "SQLite, our event log": (DAGSTER_YAML.format(base_dir="{env: DAGSTER_HOME}"), BATCHED),
    "Postgres": (POSTGRES, {}),
    "Postgres, events in batches": (POSTGRES, BATCHED),
}


def partitioned(partitions: int) -> None:
    """An empty job of as many assets as the product has, over so many partitions, in one run of the instance of
    DAGSTER_HOME."""
    definition = dg.StaticPartitionsDefinition([f"{number:05d}" for number in range(partitions)])

    def empty(number: int) -> dg.AssetsDefinition:
        @dg.asset(name=f"asset_{number}", partitions_def=definition, backfill_policy=dg.BackfillPolicy.single_run())
        def nothing() -> None:
            pass

        return nothing

    first, last = definition.get_first_partition_key(), definition.get_last_partition_key()
    with dg.DagsterInstance.get() as instance:
        dg.materialize(
            [empty(number) for number in range(ASSETS)],
            instance=instance,
            tags={"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last},
        )


def main() -> None:
    year = inputs.full_size().csv / f"{YEAR}.csv"
    header, rows = year.read_bytes().split(b"\n", 1)
    lines = rows.count(b"\n")
    print("rows of the partition, seconds, megabytes")
    for times in (1, 10, 100):
        with tempfile.TemporaryDirectory(dir=inputs.FOLDER) as folder:
            source = Path(folder) / "csv"
            source.mkdir()
            with (source / year.name).open("wb") as file:
                file.write(header + b"\n")
                for _ in range(times):
                    file.write(rows)
            took = work("transform", source, Path(folder) / "star")
            print(f"{times * lines:,}, {took.wall:.2f}, {took.megabytes:.0f}", flush=True)
    print(f"storage, partitions of {ASSETS} empty assets in one run, seconds")
    for name, (storage, environment) in STORAGES.items():
        if storage is POSTGRES and "DAGSTER_POSTGRES_URL" not in os.environ:
            continue
        with tempfile.TemporaryDirectory() as home:
            (Path(home) / "dagster.yaml").write_text(storage, encoding="utf-8")
            for partitions in (1, 29, 290):
                words = [sys.executable, "-c", f"from bench.scale import partitioned; partitioned({partitions})"]
                took = command(words, os.environ | environment | {"DAGSTER_HOME": home})
                print(f"{name}, {partitions}, {took.wall:.2f}", flush=True)
    shutil.rmtree(inputs.FOLDER / "scratch", ignore_errors=True)


if __name__ == "__main__":
    main()
