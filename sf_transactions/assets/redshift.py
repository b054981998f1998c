"""redshift/*: the star in the warehouse, schema `report`, all five tables in one transaction."""

from collections.abc import Iterable, Iterator, Mapping

import dagster as dg

from sf_transactions import checks
from sf_transactions.assets.s3 import S3_CODES, s3_key
from sf_transactions.assets.star import star_totals
from sf_transactions.automation import BY_FISCAL_YEAR, WEEKLY
from sf_transactions.ddl import create_view, views
from sf_transactions.model import (
    CODED_DIMENSIONS,
    CODES,
    PUBLISHED_CODES,
    STAR,
    TABLES,
    TRANSACTION,
    TRANSACTION_PUBLISHED,
    Table,
)
from sf_transactions.once import once
from sf_transactions.resources import comparisons, loaded, loading, made
from sf_transactions.resources.home import Home, HomeError
from sf_transactions.resources.raw_files import source_of
from sf_transactions.resources.storage import Storage
from sf_transactions.resources.warehouse import Warehouse, commit, tried_again

REDSHIFT_CODES = dg.AssetKey(["redshift", "codes"])
UNIQUE = (*STAR, PUBLISHED_CODES, TRANSACTION_PUBLISHED)  # tables whose ids are compared


def redshift_key(table: Table) -> dg.AssetKey:
    """The asset that stands for a table: the star's have one each, those about codes one together."""
    return dg.AssetKey(["redshift", table.name]) if table in STAR else REDSHIFT_CODES


def _unique(table: Table) -> str:
    return "unique_ids" if table in STAR else f"unique_ids_of_{table.name}"


def _check_specs() -> list[dg.AssetCheckSpec]:
    specs = []
    for table in STAR:
        specs += checks.specs(redshift_key(table), {"unique_ids": "No two rows have the same id."})
    for dimension in CODED_DIMENSIONS:
        specs += checks.specs(
            redshift_key(dimension.table), {"many_to_one": "Within its parents a name carries exactly one code."}
        )
    specs += checks.specs(
        REDSHIFT_CODES,
        {
            **{_unique(table): f"No two rows of {table.name} have the same id." for table in UNIQUE if table in CODES},
            "published_codes_found": "Every transaction finds the codes under which it was published.",
        },
    )
    return specs + checks.specs(
        redshift_key(TRANSACTION),
        {
            "control_totals": "Rows and dollars of each fiscal year and side are those of the star.",
            "dimensions_found": "Every row finds its program, type, fund and finance.",
        },
    )


@dg.multi_asset(
    name="redshift",
    specs=[
        dg.AssetSpec(
            redshift_key(table),
            deps=[s3_key(each) for each in STAR] if table is TRANSACTION else [s3_key(table)],
            group_name="redshift",
            kinds={"redshift"},
            owners=["team:data-engineering"],
            description=(
                f"{table.description}.\n\nTable `{table.qualified}` of the warehouse. All tables are written in one "
                "transaction: the fact for the loaded fiscal years, the dimensions member by member, and members that "
                "are published no longer stay. Counts, sums, ids and codes are compared inside it, and a difference "
                "rolls everything back."
            ),
            metadata=checks.warehouse_metadata(table),
            partitions_def=BY_FISCAL_YEAR["partitions_def"],
            freshness_policy=WEEKLY,
        )
        for table in STAR
    ]
    + [
        dg.AssetSpec(
            REDSHIFT_CODES,
            deps=[S3_CODES],
            group_name="redshift",
            kinds={"redshift"},
            owners=["team:data-engineering"],
            description="The tables about codes, loaded in the transaction that loads the star:\n\n"
            + "\n".join(f"- `{table.qualified}`: {table.description}." for table in CODES),
            partitions_def=BY_FISCAL_YEAR["partitions_def"],
            freshness_policy=WEEKLY,
        )
    ],
    check_specs=_check_specs(),
    can_subset=False,
    backfill_policy=BY_FISCAL_YEAR["backfill_policy"],
)
def redshift_tables(context: dg.AssetExecutionContext, home: Home, storage: Storage, warehouse: Warehouse) -> Iterator:
    """Loads the star into the warehouse by COPY, in one transaction; loads of other runs wait for it."""
    totals = {year: star_totals(home, year) for year in context.partition_keys}
    expected = {(year, side): total for year, each in totals.items() for side, total in each.items()}
    load = _load_of(context, home, storage)
    with tried_again(context), warehouse.connect() as connection:
        loading.make_schema(connection)
        stands = loading.begin(connection, load)
        results, counts = _written(context, connection, home, load, expected, stands)
        if stands and not all(result.passed for result in results):
            context.log.warning("this load was committed before, but its rows were changed since: it is loaded again")
            stands = False
            results, counts = _written(context, connection, home, load, expected, stands)
        if all(result.passed for result in results):
            commit(connection)
            if not stands:
                loading.analyze(connection)
        else:
            connection.rollback()
            context.log.error("the comparison failed: rolled back, the warehouse is as it was")
    yield from checks.settle(*results)
    for year, each in totals.items():
        context.add_asset_metadata(checks.figures(each), redshift_key(TRANSACTION), partition_key=year)
    for table in STAR:
        yield dg.MaterializeResult(
            asset_key=redshift_key(table), metadata={"dagster/row_count": counts[table], "load_id": load.load_id}
        )
    yield dg.MaterializeResult(
        asset_key=REDSHIFT_CODES, metadata={f"rows of {table.qualified}": counts[table] for table in CODES}
    )


def _written(
    context, connection, home: Home, load: loading.Load, expected, stands: bool
) -> tuple[list[dg.AssetCheckResult], dict[Table, int]]:
    """Writes the load, unless it stands, and compares what the warehouse holds then. Views are made anew, and all is
    compared, unless that was done with just this. Also gives the rows by table."""
    if stands:
        context.log.info("this load was committed before: nothing is loaded twice")
    else:
        for name, copied in loading.write(connection, load).items():
            context.log.info("%s: %d rows copied", name, copied)
    counts, totals = comparisons.counts(connection), comparisons.totals(connection, load.fiscal_years)
    known = repr((load.fiscal_years, expected, totals))
    of = made.makings(loaded.compared(connection), known, *map(create_view, views()))

    def compared() -> Iterator[dg.AssetCheckResult]:
        if stands:
            loading.write(connection, load, stands)
        yield from _compare(connection, expected, totals, counts)

    found = once(home, "redshift", of, [], compared)
    return [result for result in found if isinstance(result, dg.AssetCheckResult)], counts


def load_id_of(home: Home, years: Iterable[str]) -> str:
    """The load of what S3 was last filled with. Raises HomeError when that was of other fiscal years."""
    return loading.load_id(_manifests(home, years))


def _manifests(home: Home, years: Iterable[str]) -> dict[str, str]:
    sent, wanted = loading.sent(home), set(years)
    for table in TABLES:
        filled = sent[table.name]["fiscal_years"]
        if table.by_fiscal_year and set(filled) != wanted:
            raise HomeError(
                f"S3 was last filled with {table.name} of {len(filled)} fiscal years, this run loads {len(wanted)}: "
                "materialize s3/* for the same years"
            )
    return loading.manifests(sent)


def _load_of(context: dg.AssetExecutionContext, home: Home, storage: Storage) -> loading.Load:
    manifests = _manifests(home, context.partition_keys)
    as_of = {int(year): source_of(home, year).data_as_of for year in context.partition_keys}
    return loading.Load(
        run_id=context.run.run_id,
        load_id=loading.load_id(manifests),
        fiscal_years=tuple(int(year) for year in context.partition_keys),
        data_as_of={year: stamp for year, stamp in as_of.items() if stamp},
        manifests=manifests,
        storage=storage,
    )


def _compare(connection, expected, totals, counts: Mapping[Table, int]) -> Iterator[dg.AssetCheckResult]:
    """What must hold before COMMIT, each as the result of a check. `totals` are those of the fact, `counts` the rows of
    each table."""
    fact = redshift_key(TRANSACTION)
    differing = checks.differences(expected, totals, ("star", "warehouse"))
    yield checks.result(fact, "control_totals", differing, of=len(expected))
    lacking = [(dimension, rows) for dimension, rows in comparisons.dangling_ids(connection).items() if rows]
    dangling = checks.failing(["dimension", "rows"], lacking)
    if dangling is not None:
        dangling.attrs["rows"] = int(dangling["rows"].sum())
    yield checks.result(fact, "dimensions_found", dangling, of=counts[TRANSACTION])
    for table in UNIQUE:
        duplicated = comparisons.duplicated_ids(connection, table)
        yield checks.result(redshift_key(table), _unique(table), duplicated, of=counts[table])
    lost = comparisons.without_published_codes(connection)
    yield checks.result(REDSHIFT_CODES, "published_codes_found", lost, of=counts[TRANSACTION])
    for dimension in CODED_DIMENSIONS:
        several = comparisons.names_with_several_codes(connection, dimension)
        yield checks.result(redshift_key(dimension.table), "many_to_one", several, of=counts[dimension.table])


assets = [redshift_tables]
