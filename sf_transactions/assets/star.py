"""star/*: the dimensions and the fact as gzip CSV parts, ready to be uploaded and copied."""

import contextlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from sf_transactions import checks, schemas
from sf_transactions.assets.codes import codes_key, read_raw
from sf_transactions.assets.raw import RAW
from sf_transactions.automation import BY_FISCAL_YEAR
from sf_transactions.model import (
    DIMENSIONS,
    FINANCE,
    PUBLISHED_CODES,
    SIDES,
    TRANSACTION,
    TRANSACTION_PUBLISHED,
    Dimension,
    Table,
)
from sf_transactions.once import once
from sf_transactions.resources import loaded, made
from sf_transactions.resources.home import Home, read_json, replacing
from sf_transactions.resources.parts import write_part
from sf_transactions.resources.warehouse import Warehouse
from sf_transactions.transform.amounts import ControlTotal, dollars, totals_from_json, totals_json
from sf_transactions.transform.codes import dimension_table
from sf_transactions.transform.keys import surrogate_key
from sf_transactions.transform.star import YEARS_AT_ONCE, facts, finance_table
from sf_transactions.transform.vanished import with_vanished

if TYPE_CHECKING:
    import pandas as pd
    import pandera.pandas as pa

    from sf_transactions.transform.star import Facts

FACT = dg.AssetKey(["star", TRANSACTION.name])
FACT_DESCRIPTIONS = {
    TRANSACTION: (
        "One gzip CSV part a fiscal year, made anew when its raw rows or the rules have changed. The id of a row is a "
        "hash of its own values and its number among identical rows, so that it does not depend on the order in which "
        "the portal sends them."
    ),
    TRANSACTION_PUBLISHED: (
        "The star gives every name one code; here is, for every transaction, which codes it was published under, so "
        "that any total can also be asked by these."
    ),
    PUBLISHED_CODES: "Each set of nine codes once. The id is a hash of the codes, the same in any year.",
}
FACT_TABLES = tuple(FACT_DESCRIPTIONS)


def star_key(table: Table) -> dg.AssetKey:
    return dg.AssetKey(["star", table.name])


def _dimension_asset(dimension: Dimension) -> dg.AssetsDefinition:
    table = dimension.table
    key = star_key(table)
    descriptions = {"schema": "Columns, types, no nulls, texts that fit, unique ids."}
    if dimension.coded:
        descriptions["many_to_one"] = "Within its parents a name carries exactly one code."

    @dg.asset(
        key=key,
        deps=[codes_key(dimension)] if dimension.coded else [RAW],
        group_name="star",
        kinds={"pandas", "pandera", "csv"},
        owners=["team:data-engineering"],
        metadata={"dagster/column_schema": checks.column_schema(table)},
        description=(
            f"{dimension.description}.\n\nOne row a member, for all loaded fiscal years; a member that is published no "
            "longer stays. The id is made of the member's names, so that it is the same on any machine and stays when "
            "a code changes."
        ),
        check_specs=checks.specs(key, descriptions),
        **BY_FISCAL_YEAR,
    )
    def star_dimension(context: dg.AssetExecutionContext, home: Home, warehouse: Warehouse) -> Iterator:
        if not dimension.coded:
            yield from once(home, key.to_user_string(), made.makings(), [home.star(table.name)], lambda: _sides(home))
            return
        sources = [home.codes(dimension.name, name) for name in ("evidence", "mapping")]
        yield from once(
            home,
            key.to_user_string(),
            made.makings(*(made.sha256_of(file, "codes/*") for file in sources)),
            [home.star(table.name), home.star(dimension.evidence.name)],
            lambda: _from_codes(home, warehouse, dimension, *sources),
            loaded.sha256_held(warehouse, home, table),
        )

    return star_dimension


def _from_codes(
    home: Home, warehouse: Warehouse, dimension: Dimension, evidence_file: Path, mapping_file: Path
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
    """Makes a dimension of its codes and of the members that are loaded, and the file of its evidence, which is that of
    all loaded fiscal years, so that what S3 holds is complete."""
    import pandas as pd

    evidence = pd.read_parquet(evidence_file)
    frame = dimension_table(evidence, pd.read_parquet(mapping_file), dimension)
    frame = with_vanished(frame, loaded.rows_of(warehouse, dimension.table), dimension)
    several = schemas.failures(frame, schemas.one_code_schema(dimension))
    many_to_one = checks.result(star_key(dimension.table), "many_to_one", several, of=len(frame))
    yield from checks.settle(many_to_one, _schema(dimension.table, frame))
    with replacing(home.star(dimension.evidence.name)) as incoming:
        write_part(incoming, evidence.sort_values(list(evidence.columns), ignore_index=True))
    yield _written(home, dimension.table, frame)


def _sides(home: Home) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
    """Makes the dimension of the sides of the books, which are known."""
    frame = finance_table()
    yield from checks.settle(_schema(FINANCE.table, frame))
    yield _written(home, FINANCE.table, frame)


def _schema(table: Table, frame: "pd.DataFrame") -> dg.AssetCheckResult:
    failing = schemas.failures(frame, schemas.table_schema(table))
    return checks.result(star_key(table), "schema", failing, of=len(frame))


def _written(home: Home, table: Table, frame: "pd.DataFrame") -> dg.MaterializeResult:
    file = home.star(table.name)
    with replacing(file) as incoming:
        write_part(incoming, frame)
    return dg.MaterializeResult(
        asset_key=star_key(table),
        metadata={
            "dagster/row_count": len(frame),
            "preview": checks.frame_preview(frame.head(checks.PREVIEW)),
            "path": dg.MetadataValue.path(str(file)),
        },
    )


@dg.multi_asset(
    name="star_transaction",
    specs=[
        dg.AssetSpec(
            star_key(table),
            deps=[RAW, *(star_key(dimension.table) for dimension in DIMENSIONS)],
            group_name="star",
            kinds={"pyarrow", "pandera", "csv"},
            owners=["team:data-engineering"],
            metadata={"dagster/column_schema": checks.column_schema(table)},
            description=f"{table.description}.\n\n{FACT_DESCRIPTIONS[table]}",
            partitions_def=BY_FISCAL_YEAR["partitions_def"],
        )
        for table in FACT_TABLES
    ],
    check_specs=[
        *checks.specs(
            FACT,
            {
                "schema": "Columns, types, no nulls.",
                "unique_ids": "No two rows have the same transaction_id, within and across the fiscal years made anew.",
                "dimensions_found": "Every row finds its program, type, fund and finance.",
                "control_totals": "Rows and dollars of each fiscal year and side are those of the portal.",
            },
        ),
        *checks.specs(star_key(TRANSACTION_PUBLISHED), {"schema": "Columns, types, no nulls."}),
        *checks.specs(star_key(PUBLISHED_CODES), {"schema": "Columns, types, no nulls, texts that fit, unique ids."}),
    ],
    can_subset=False,
    backfill_policy=BY_FISCAL_YEAR["backfill_policy"],
)
def star_transaction(context: dg.AssetExecutionContext, home: Home) -> Iterator:
    """Every published row as a fact, and the codes it was published under."""
    years = context.partition_keys
    anew: dict[str, dict[Table, int]] = {}
    of = {year: made.makings(*made.raw_sha256(home, [year])) for year in years}
    files = [home.star(table.name, year) for table in FACT_TABLES for year in years]
    dimensions = [made.sha256_of(home.star(dimension.name), "star/*") for dimension in DIMENSIONS]
    yield from once(
        home, "star/transaction", made.makings(*of.values(), *dimensions), files, lambda: _facts(home, of, anew)
    )
    totals = {year: star_totals(home, year) for year in years}
    for year, each in totals.items():
        context.add_asset_metadata(
            {
                "dagster/partition_row_count": sum(total.rows for total in each.values()),
                **checks.figures(each),
            },
            asset_key=FACT,
            partition_key=year,
        )
    rows = sum(total.rows for each in totals.values() for total in each.values())
    for table in FACT_TABLES:
        yield dg.MaterializeResult(
            asset_key=star_key(table),
            metadata={
                **({"dagster/row_count": rows} if table is TRANSACTION else {}),
                "rows_made_anew": sum(each[table] for each in anew.values()),
                "fiscal_years": len(years),
                "fiscal_years_made_anew": len(anew),
                "path": dg.MetadataValue.path(str(home.root / "star" / table.name)),
            },
        )


def year_schemas() -> "dict[Table, pa.DataFrameSchema]":
    """What the tables with a row a transaction must be in a fiscal year. The texts of published codes are those of the
    evidence, which codes/* has validated; the ids of transactions, which two tables share, are compared over all years.
    """
    return {table: schemas.table_schema(table, texts=False, keys=table is PUBLISHED_CODES) for table in FACT_TABLES}


def _facts(
    home: Home, of: Mapping[str, str], anew: dict[str, dict[Table, int]]
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
    """Makes the parts of the fiscal years that are not made of what `of` says, and notes in `anew` how many rows each
    has; compares the totals of all."""
    import numpy as np
    import pandas as pd

    known = {
        dimension: pd.read_csv(home.star(dimension.name), usecols=[dimension.id_column])[dimension.id_column]
        for dimension in DIMENSIONS
    }
    expected = year_schemas()
    invalid: dict[Table, list] = {table: [] for table in FACT_TABLES}
    dangling, ids = [], []
    stand = [year for year in of if all(made.stands(home.star(table.name, year), of[year]) for table in FACT_TABLES)]
    missing = [year for year in of if year not in stand]
    totals = {year: star_totals(home, year) for year in stand}
    with contextlib.ExitStack() as stack:
        parts = {
            (table, year): stack.enter_context(replacing(home.star(table.name, year)))
            for table in FACT_TABLES
            for year in missing
        }

        def make(year: str) -> "Facts":
            found = facts(read_raw(home, year), int(year))
            for table in FACT_TABLES:
                write_part(parts[table, year], getattr(found, table.name))
            return found

        for year, found in zip(
            missing, stack.enter_context(ThreadPoolExecutor(YEARS_AT_ONCE)).map(make, missing), strict=True
        ):
            anew[year] = {table: len(getattr(found, table.name)) for table in FACT_TABLES}
            for table in FACT_TABLES:
                if (failing := schemas.failures(getattr(found, table.name), expected[table])) is not None:
                    invalid[table].append(failing)
            fact = found.transaction
            for dimension, keys in known.items():
                dangling.append(fact[~fact[dimension.id_column].isin(keys)])
            ids.append(fact["transaction_id"].to_numpy())
            totals[year] = side_totals(fact)
        every, counts = np.unique(np.concatenate(ids) if ids else np.zeros(0, np.int64), return_counts=True)
        portal = {(year, side): total for year in of for side, total in portal_totals(home, year).items()}
        sides = {(year, side): total for year, each in totals.items() for side, total in each.items()}
        rows = {table: sum(each[table] for each in anew.values()) for table in FACT_TABLES}
        yield from checks.settle(
            *(
                checks.result(star_key(table), "schema", pd.concat(failing) if failing else None, of=rows[table])
                for table, failing in invalid.items()
            ),
            checks.result(FACT, "unique_ids", pd.DataFrame({"transaction_id": every[counts > 1]}), of=len(every)),
            checks.result(FACT, "dimensions_found", pd.concat(dangling) if dangling else None, of=rows[TRANSACTION]),
            checks.result(
                FACT, "control_totals", checks.differences(portal, sides, ("portal", "star")), of=len(portal)
            ),
        )
    for year in missing:
        for table in FACT_TABLES:
            made.note(home.star(table.name, year), of[year], totals=totals_json(totals[year]))


def side_totals(frame) -> dict[str, ControlTotal]:
    """Rows and dollars of each side that has rows; `amount` is in cents."""
    totals = {}
    for side in SIDES:
        amounts = frame.loc[frame[FINANCE.id_column] == surrogate_key(FINANCE.name, (side,)), "amount"]
        if len(amounts):
            totals[side] = ControlTotal(len(amounts), dollars(int(amounts.sum())))
    return totals


def portal_totals(home: Home, year: str) -> dict[str, ControlTotal]:
    return totals_from_json(read_json(home.source(year), "raw/transactions")["totals"])


def star_totals(home: Home, year: str) -> dict[str, ControlTotal]:
    return totals_from_json(made.facts(home.star("transaction", year), "star/transaction")["totals"])


assets = [*(_dimension_asset(dimension) for dimension in DIMENSIONS), star_transaction]
