"""The job `rebuild_warehouse`: every table of the warehouse anew from what S3 holds, without portal or home."""

import hashlib
from collections.abc import Sequence

import dagster as dg

from sf_transactions import checks
from sf_transactions.model import STAR, TABLES, TRANSACTION
from sf_transactions.resources import comparisons, loaded_objects, loading
from sf_transactions.resources.loaded_objects import Part
from sf_transactions.resources.storage import Storage, StorageError
from sf_transactions.resources.warehouse import Warehouse, commit
from sf_transactions.transform.amounts import totals_from_json


@dg.op
def rebuild(context: dg.OpExecutionContext, storage: Storage, warehouse: Warehouse) -> None:
    """Loads the objects of `manifest/current.json` into emptied tables, in one transaction, and compares the totals.

    Queries see the warehouse as it was until the new one is complete.
    """
    parts = loaded_objects.current(storage)
    load = _load(context.run.run_id, storage, parts)
    expected = {
        (str(part.fiscal_year), side): total
        for part in parts
        if part.table == TRANSACTION.name
        for side, total in totals_from_json(part.facts["totals"]).items()
    }
    with warehouse.connect() as connection:
        loading.make_schema(connection)
        loading.begin(connection, load)
        loading.empty(connection)
        for name, copied in loading.write(connection, load).items():
            context.log.info("%s: %d rows copied", name, copied)
        found = comparisons.totals(connection, load.fiscal_years)
        differences = checks.differences(expected, found, ("s3", "warehouse"))
        doubled = [table.qualified for table in STAR if comparisons.duplicated_ids(connection, table) is not None]
        lost = [name for name, rows in comparisons.dangling_ids(connection).items() if rows]
        if differences is not None or doubled or lost:
            connection.rollback()
            told = [] if differences is None else differences.to_dict("records")
            raise checks.CheckError(
                f"the warehouse is as it was: totals that differ {told}, "
                f"ids that are not unique in {doubled}, ids that are not found in {lost}"
            )
        commit(connection)
        loading.analyze(connection)


def _load(run_id: str, storage: Storage, parts: Sequence[Part]) -> loading.Load:
    """The load of all parts; its manifests are made first."""
    manifests = {}
    for table in TABLES:
        objects = [{"url": part.url, "bytes": part.bytes} for part in parts if part.table == table.name]
        if not objects:
            raise StorageError(
                f"{storage.url(loaded_objects.CURRENT)} names no objects of {table.qualified}: load all years first"
            )
        content = loaded_objects.manifest(objects)
        digest = hashlib.sha256(content).hexdigest()[:16]
        manifests[table.name] = storage.put(f"manifest/{table.name}/load_id={digest}.json", content)
    return loading.Load(
        run_id=run_id,
        load_id=loading.load_id(manifests),
        fiscal_years=tuple(sorted({int(part.fiscal_year) for part in parts if part.fiscal_year})),
        manifests=manifests,
        storage=storage,
        data_as_of={
            int(part.fiscal_year or 0): part.facts["data_as_of"]
            for part in parts
            if part.table == loaded_objects.RAW and part.facts["data_as_of"]
        },
    )


@dg.job(description="Makes every table of the warehouse anew from what S3 holds, in one transaction.")
def rebuild_warehouse() -> None:
    rebuild()
