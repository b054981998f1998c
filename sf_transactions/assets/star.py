"""star/*: the dimensions and the fact as gzip CSV parts, ready to be uploaded and copied."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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
from sf_transactions.resources import loading, made
from sf_transactions.resources.home import Home, read_json, replacing
from sf_transactions.resources.parts import write_part
from sf_transactions.resources.warehouse import Warehouse
from sf_transactions.transform.amounts import ControlTotal, dollars, totals_from_json, totals_json
from sf_transactions.transform.codes import dimension_table
from sf_transactions.transform.keys import surrogate_key
from sf_transactions.transform.star import YEARS_AT_ONCE, facts, finance_table
from sf_transactions.transform.vanished import with_vanished

if TYPE_CHECKING:
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
        import pandas as pd

        if dimension.coded:
            evidence = pd.read_parquet(home.codes(dimension.name, "evidence"))
            frame = dimension_table(evidence, pd.read_parquet(home.codes(dimension.name, "mapping")), dimension)
            loaded = loading.rows_loaded(warehouse, table)
            frame = with_vanished(frame, loaded, dimension)
            results = [
                checks.result(
                    key,
                    "many_to_one",
                    schemas.failures(frame, schemas.one_code_schema(dimension)),
                    of=len(frame),
                )
            ]
        else:
            frame, results = finance_table(), []
        results.append(
            checks.result(key, "schema", schemas.failures(frame, schemas.table_schema(table)), of=len(frame))
        )
        yield from checks.settle(*results)
        if dimension.coded:  # of all loaded fiscal years, so that what S3 holds is complete
            with replacing(home.star(dimension.evidence.name)) as incoming:
                write_part(incoming, evidence.sort_values(list(evidence.columns), ignore_index=True))
        with replacing(home.star(table.name)) as incoming:
            write_part(incoming, frame)
        yield dg.MaterializeResult(
            asset_key=key,
            metadata={
                "dagster/row_count": len(frame),
                "preview": checks.table_metadata(frame.head(10)),
                "path": dg.MetadataValue.path(str(home.star(table.name))),
            },
        )

    return star_dimension


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
    import numpy as np
    import pandas as pd

    known = {
        dimension: pd.read_csv(home.star(dimension.name), usecols=[dimension.id_column])[dimension.id_column]
        for dimension in DIMENSIONS
    }
    # The texts of published codes are those of the evidence, which codes/* has validated.
    expected = {table: schemas.table_schema(table, texts=False) for table in FACT_TABLES}
    invalid: dict[Table, list] = {table: [] for table in FACT_TABLES}
    dangling, ids = [], []
    portal: dict[tuple[str, str], ControlTotal] = {}
    totals: dict[str, dict[str, ControlTotal]] = {}
    rows = dict.fromkeys(FACT_TABLES, 0)
    of = {year: made.makings(*made.raw_sha256(home, [year])) for year in context.partition_keys}
    anew = [year for year in of if not all(made.stands(home.star(table.name, year), of[year]) for table in FACT_TABLES)]
    with contextlib.ExitStack() as stack:
        for year in of:
            portal |= {(year, side): total for side, total in portal_totals(home, year).items()}
            if year not in anew:
                totals[year] = star_totals(home, year)
        parts = {
            (table, year): stack.enter_context(replacing(home.star(table.name, year)))
            for table in FACT_TABLES
            for year in anew
        }

        def make(year: str) -> "Facts":
            found = facts(read_raw(home, year), int(year))
            for table in FACT_TABLES:
                write_part(parts[table, year], getattr(found, table.name))
            return found

        for year, found in zip(
            anew, stack.enter_context(ThreadPoolExecutor(YEARS_AT_ONCE)).map(make, anew), strict=True
        ):
            for table in FACT_TABLES:
                frame = getattr(found, table.name)
                if (failing := schemas.failures(frame, expected[table])) is not None:
                    invalid[table].append(failing)
                rows[table] += len(frame)
            fact = found.transaction
            for dimension, keys in known.items():
                dangling.append(fact[~fact[dimension.id_column].isin(keys)])
            ids.append(fact["transaction_id"].to_numpy())
            totals[year] = side_totals(fact)
        every, counts = np.unique(np.concatenate(ids) if ids else np.zeros(0, np.int64), return_counts=True)
        sides = {(year, side): total for year, each in totals.items() for side, total in each.items()}
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
    for year in anew:
        for table in FACT_TABLES:
            made.note(home.star(table.name, year), of[year], totals=totals_json(totals[year]))
    for year, each in totals.items():
        context.add_asset_metadata(
            {
                "dagster/partition_row_count": sum(total.rows for total in each.values()),
                **{f"{side.lower()}_dollars": str(total.amount) for side, total in each.items()},
            },
            asset_key=FACT,
            partition_key=year,
        )
    for table in FACT_TABLES:
        yield dg.MaterializeResult(
            asset_key=star_key(table),
            metadata={
                **({"dagster/row_count": sum(total.rows for total in sides.values())} if table is TRANSACTION else {}),
                "rows_made_anew": rows[table],
                "fiscal_years": len(context.partition_keys),
                "fiscal_years_made_anew": len(anew),
                "path": dg.MetadataValue.path(str(home.root / "star" / table.name)),
            },
        )


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
