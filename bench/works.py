"""The works that are measured: `python -m bench.works NAME ARGUMENTS` does one and prints what it took, as JSON.

What a work imports is loaded before the clock starts.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from bench.process import Took, load_modules

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from sf_transactions.model import Dimension

Work = Callable[[], object]


def read(source: str) -> Work:
    """The floor of the transform: the fastest typed read of the same files, every column text."""
    import pyarrow as pa
    import pyarrow.csv

    from sf_transactions.model import PUBLISHED_NAMES

    options = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(PUBLISHED_NAMES, pa.string()))
    return lambda: [pyarrow.csv.read_csv(path, convert_options=options) for path in sorted(Path(source).glob("*.csv"))]


def read_year(path: Path) -> "pa.Table":
    """A fiscal year as the product takes it: nulls told from empty texts, repeated texts as dictionaries."""
    import pyarrow as pa
    import pyarrow.csv

    from sf_transactions.model import REPEATED
    from sf_transactions.resources.answers import TEXT

    types = dict.fromkeys(REPEATED, TEXT()) | {"amount": pa.string()}
    return pyarrow.csv.read_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(use_threads=False),  # two years are read at once
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def transform(source: str, out: str) -> Work:
    """CSV by fiscal year to the files of the star, by the product's own functions."""
    import pandas as pd

    from sf_transactions.model import CODED_DIMENSIONS, DIMENSIONS, FINANCE
    from sf_transactions.resources.parts import write_part
    from sf_transactions.transform.amounts import cents, cents_by_side
    from sf_transactions.transform.codes import dimension_table, evidence, mapping
    from sf_transactions.transform.members import members
    from sf_transactions.transform.star import YEARS_AT_ONCE, finance_table, transactions

    load_modules("isal.igzip", "pyarrow.compute", "pyarrow.csv", "pyarrow.pandas_compat")
    folder = Path(out)
    (folder / "transaction").mkdir(parents=True, exist_ok=True)

    def year(path: Path) -> "list[pd.DataFrame]":
        table, fiscal_year = read_year(path), int(path.stem)
        found = [members(table, dimension) for dimension in DIMENSIONS]
        amounts = cents(table["amount"])
        rows = transactions(table, fiscal_year, found, amounts)
        write_part(folder / "transaction" / f"{path.stem}.csv.gz", rows)
        sides = cents_by_side(table, amounts)
        return [evidence(each, sides, fiscal_year) for each in found if each.dimension.coded]

    def coded(dimension: "Dimension", frames: "Sequence[pd.DataFrame]") -> None:
        every = pd.concat(frames, ignore_index=True)
        table = dimension_table(every, mapping(every, dimension), dimension)
        write_part(folder / f"{dimension.name}.csv.gz", table)

    def whole() -> None:
        with ThreadPoolExecutor(YEARS_AT_ONCE) as pool:
            years = list(pool.map(year, sorted(Path(source).glob("*.csv"))))
            list(pool.map(coded, CODED_DIMENSIONS, zip(*years, strict=True)))
        write_part(folder / f"{FINANCE.name}.csv.gz", finance_table())

    return whole


def validation(source: str) -> Work:
    """Everything that pandera is laid on in a run: evidence, mappings, dimensions, the fact and the published codes."""
    import pandas as pd

    from sf_transactions import schemas
    from sf_transactions.assets.star import year_schemas
    from sf_transactions.model import CODED_DIMENSIONS
    from sf_transactions.transform.amounts import cents_by_side
    from sf_transactions.transform.codes import dimension_table, evidence, mapping
    from sf_transactions.transform.members import members
    from sf_transactions.transform.star import facts

    of_year = year_schemas()
    frames: list[tuple] = []
    yearly: dict = {dimension: [] for dimension in CODED_DIMENSIONS}
    for path in sorted(Path(source).glob("*.csv")):
        table, year = read_year(path), int(path.stem)
        cents = cents_by_side(table)
        for dimension, every in yearly.items():
            every.append(evidence(members(table, dimension), cents, year))
        made = facts(table, year)
        frames += [(getattr(made, each.name), schema) for each, schema in of_year.items()]
    for dimension, every in yearly.items():
        whole = pd.concat(every, ignore_index=True)
        mapped = mapping(whole, dimension)
        table = dimension_table(whole, mapped, dimension)
        frames += [
            (whole, schemas.table_schema(dimension.evidence, keys=False)),
            (mapped, schemas.mapping_schema(dimension)),
            (table, schemas.table_schema(dimension.table)),
            (table, schemas.one_code_schema(dimension)),
        ]
    schemas.failures(frames[0][0].head(1), frames[0][1])  # pandera loads what it works with at the first validation

    def validate() -> None:
        for frame, schema in frames:
            assert schemas.failures(frame, schema) is None

    return validate


def other_way(library: str, source: str, out: str) -> Work:
    """The same by another library, as its users would write it."""
    load_modules(library)
    way = importlib.import_module(f"bench.ways.{library}_way")
    Path(out).mkdir(parents=True, exist_ok=True)
    return lambda: way.transform(Path(source), Path(out))


def pull(url: str, home: str) -> Work:
    """All fiscal years from the portal at `url` into `home`."""
    import dagster as dg
    import pyarrow.compute
    from dagster_aws.s3 import S3Resource

    from sf_transactions.assets.raw import raw_transactions
    from sf_transactions.automation import FISCAL_YEARS
    from sf_transactions.resources.home import Home
    from sf_transactions.resources.portal import Portal
    from sf_transactions.resources.raw_files import Ingestion
    from sf_transactions.resources.storage import Storage

    load_modules("pyarrow.csv", "pyarrow.parquet", "urllib3")
    pyarrow.compute.is_in(pyarrow.array(["a"]), pyarrow.array(["a"]))  # loads the library of the compute functions
    years = FISCAL_YEARS.get_partition_keys()

    def whole() -> None:
        with dg.DagsterInstance.ephemeral() as instance:
            dg.materialize(
                [raw_transactions],
                resources={
                    "home": Home(path=home),
                    "portal": Portal(base_url=url),
                    "ingestion": Ingestion(),
                    "storage": Storage(s3=S3Resource()),
                },
                tags={"dagster/asset_partition_range_start": years[0], "dagster/asset_partition_range_end": years[-1]},
                instance=instance,
            )

    return whole


def nothing_but_imports() -> Work:
    """The memory that a pull starts from."""
    pull("", "")
    return lambda: None


def duckdb_read(folder: str) -> Work:
    """The floor of a load: DuckDB reading the files of the star, gzip CSV, into tables."""
    import duckdb

    def whole() -> None:
        connection = duckdb.connect()
        for table in sorted(path for path in Path(folder).iterdir() if path.is_dir()):
            files = f"{table}/**/*.csv.gz"
            connection.execute(f"CREATE TABLE \"{table.name}\" AS SELECT * FROM read_csv('{files}', header = true)")

    return whole


def load(home: str, server: str) -> Work:
    """All files of the star, as S3 has them, into an empty warehouse: the load as the asset does it.

    `server` is the process of the SQL endpoint, whose memory counts too.
    """
    from dagster_aws.s3 import S3Resource

    from sf_transactions.model import TABLES, TRANSACTION
    from sf_transactions.resources import loading
    from sf_transactions.resources.storage import Storage
    from sf_transactions.resources.warehouse import Warehouse, commit
    from sf_transactions.settings import Settings

    load_modules("redshift_connector")
    settings, s3 = Settings.from_environ(), Path(home) / "s3"
    receipts = {table.name: json.loads((s3 / f"{table.name}.json").read_text(encoding="utf-8")) for table in TABLES}
    carried = loading.Load(
        run_id="bench",
        load_id="bench",
        fiscal_years=tuple(int(year) for year in receipts[TRANSACTION.name]["fiscal_years"]),
        data_as_of={},
        manifests={name: receipt["manifest"] for name, receipt in receipts.items()},
        storage=Storage(s3=S3Resource(), bucket=settings.s3_bucket),
    )
    carried.storage.copy_role()
    warehouse = Warehouse.from_settings(settings)

    def whole() -> None:
        with warehouse.connect() as connection:
            loading.make_schema(connection)
            loading.begin(connection, carried)
            loading.write(connection, carried)
            commit(connection)
            loading.analyze(connection)

    _SERVERS.append(server)
    return whole


_SERVERS: list[str] = []  # other processes that take part in the work

WORKS = {
    work.__name__: work
    for work in (read, transform, validation, other_way, pull, nothing_but_imports, duckdb_read, load)
}


def main(name: str, *arguments: str) -> None:
    work = WORKS[name](*arguments)
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    took = Took(wall, cpu, sum(map(_peak_megabytes, ("self", *_SERVERS))))
    print(json.dumps(took.as_json()))


def _peak_megabytes(process: str) -> float:
    (line,) = (line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    main(*sys.argv[1:])
