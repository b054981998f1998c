"""catalog/*: which objects in S3 make up what is loaded, and these objects as tables of Glue's Data Catalog."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dagster as dg

from sf_transactions.assets.redshift import REDSHIFT_CODES, load_id_of, redshift_key
from sf_transactions.assets.s3 import S3_RAW
from sf_transactions.assets.star import star_totals
from sf_transactions.automation import BY_FISCAL_YEAR
from sf_transactions.ddl import external_schema
from sf_transactions.model import STAR, TABLES, TRANSACTION
from sf_transactions.resources import glue, loaded_objects
from sf_transactions.resources.glue import Catalog
from sf_transactions.resources.home import Home, read_json
from sf_transactions.resources.loaded_objects import RAW
from sf_transactions.resources.loading import loaded_at
from sf_transactions.resources.raw_files import source_of
from sf_transactions.resources.storage import Storage
from sf_transactions.resources.warehouse import Warehouse, tried_again
from sf_transactions.transform.amounts import totals_json

OBJECTS = dg.AssetKey(["catalog", "objects"])
GLUE = dg.AssetKey(["catalog", "glue"])


@dg.asset(
    key=OBJECTS,
    deps=[*(redshift_key(table) for table in STAR), REDSHIFT_CODES, S3_RAW],
    group_name="catalog",
    kinds={"s3"},
    owners=["team:data-engineering"],
    **BY_FISCAL_YEAR,
)
def catalog_objects(
    context: dg.AssetExecutionContext, home: Home, storage: Storage, warehouse: Warehouse
) -> dg.MaterializeResult:
    """Which objects in S3 make up what is loaded: `manifest/current.json`.

    Written after the load was committed, and only over what earlier loads wrote. From it the job `rebuild_warehouse`
    makes the warehouse anew. Objects that this load supersedes are deleted then, and what loads that failed left
    behind more than a week ago.
    """
    receipts = {name: read_json(home.receipt(name), "s3/*") for name in (*(table.name for table in TABLES), RAW)}
    with tried_again(context), warehouse.connect() as connection:
        began = loaded_at(connection, load_id_of(home, context.partition_keys))
    objects = {name: receipt["objects"] for name, receipt in receipts.items()}
    parts = loaded_objects.parts(objects, began, lambda table, year: _facts(home, table, year))
    current, before = loaded_objects.take_over(storage, parts)
    gone: list[str] = []
    if current != before:
        prefixes = (*receipts, loaded_objects.MANIFESTS)
        needed = {receipts[table.name]["manifest"] for table in TABLES}
        gone = loaded_objects.superseded(storage, current, before, prefixes, needed, loaded_objects.now())
        storage.delete(gone)
    if gone:
        context.log.info(f"{len(gone)} superseded objects were deleted")
    return dg.MaterializeResult(
        metadata={
            "objects": len(current),
            "objects_deleted": len(gone),
            "bytes": sum(part.bytes for part in current),
            "dagster/uri": storage.url(loaded_objects.CURRENT),
        }
    )


def _facts(home: Home, table: str, year: str | None) -> dict:
    """What else is kept of an object: rows, totals of the fact, and of raw years what they were published as."""
    if year is None:
        return {}
    if table == TRANSACTION.name:
        totals = star_totals(home, year)
        return {"rows": sum(total.rows for total in totals.values()), "totals": totals_json(totals)}
    if table == RAW:
        source = source_of(home, year)
        rows = sum(each["rows"] for each in source.totals.values())
        return {"rows": rows, "data_as_of": source.data_as_of, "source": dataclasses.asdict(source)}
    return {}


@dg.asset(
    key=GLUE,
    deps=[OBJECTS],
    group_name="catalog",
    kinds={"glue"},
    owners=["team:data-engineering"],
    **BY_FISCAL_YEAR,
)
def catalog_glue(context: dg.AssetExecutionContext, storage: Storage, catalog: Catalog) -> dg.MaterializeResult:
    """The files in S3 as tables of Glue's Data Catalog, for Athena, Redshift Spectrum and other accounts.

    `raw` has the rows as published (Parquet), the other tables are those of the warehouse (CSV; dollars as text, so
    that they stay exact). Columns carry their comments, each fiscal year is a partition, and parameters tell rows,
    sizes and what was published when: a machine that has no raw years takes them from S3 where the portal's fingerprint
    is still theirs. `external_schema` in the metadata is the statement by which Redshift reads them.
    """
    standing = catalog.tables()
    if standing is None:
        context.log.warning(f"there is no Glue database {catalog.database}: run `sf-transactions provision`")
        return dg.MaterializeResult(metadata={"registered": False, "database": catalog.database})
    parts = loaded_objects.current(storage)
    wanted = list(glue.tables(parts, glue.watermark(parts)))

    def register(each: tuple[dict[str, Any], list[dict[str, Any]]]) -> int:
        table, partitions = each
        return catalog.register(table, partitions, standing.get(table["Name"]))

    with ThreadPoolExecutor() as pool:  # a table is some answers to wait for
        changed = sum(pool.map(register, wanted))
    return dg.MaterializeResult(
        metadata={
            "registered": True,
            "database": catalog.database,
            "tables": dg.MetadataValue.json([table["Name"] for table, _ in wanted]),
            "changed": changed,
            "external_schema": dg.MetadataValue.md(f"```sql\n{external_schema(catalog.database)};\n```"),
        }
    )


assets = [catalog_objects, catalog_glue]
