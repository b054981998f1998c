"""codes/{program,type,fund}: every published name and code, and the one code that each name keeps."""

from collections.abc import Iterator

import dagster as dg

from sf_transactions import checks
from sf_transactions.assets.raw import RAW
from sf_transactions.automation import BY_FISCAL_YEAR
from sf_transactions.ddl import schema_statements
from sf_transactions.model import CODED_DIMENSIONS, REPEATED, Dimension
from sf_transactions.resources import made
from sf_transactions.resources.home import Home, replacing
from sf_transactions.resources.loading import evidence_of_other_years
from sf_transactions.resources.warehouse import Warehouse, execute
from sf_transactions.transform.codes import mapping
from sf_transactions.transform.members import members


def codes_key(dimension: Dimension) -> dg.AssetKey:
    return dg.AssetKey(["codes", dimension.name])


def _codes_asset(dimension: Dimension) -> dg.AssetsDefinition:
    key = codes_key(dimension)

    @dg.asset(
        key=key,
        deps=[RAW],
        group_name="codes",
        kinds={"pandas", "pandera"},
        owners=["team:data-engineering"],
        metadata={"dagster/column_schema": checks.column_schema(dimension.evidence)},
        description=(
            f"Which one code each name of the {dimension.name} hierarchy carries "
            f"({' > '.join(dimension.levels)}).\n\nPublished, a name may come with several codes, mostly because the "
            "chart of accounts changed in FY2018. Within its parents a name keeps one: the code of the latest fiscal "
            "year in which the name appears; most rows break a tie, then the smaller text. Every published code stays "
            "here with its evidence: first and last fiscal year, and rows.\n\nThe evidence of all loaded fiscal "
            "years counts, so that loading an old year alone never puts an old code over a new one."
        ),
        check_specs=checks.specs(
            key,
            {
                "schema": "Names and codes as the warehouse takes them: no nulls, known spellings, texts that fit.",
                "many_to_one": "Within its parents a name keeps exactly one code.",
            },
        ),
        **BY_FISCAL_YEAR,
    )
    def codes(context: dg.AssetExecutionContext, home: Home, warehouse: Warehouse) -> Iterator:
        import pandas as pd

        years = context.partition_keys
        with warehouse.connect() as connection:
            for statement in schema_statements():
                execute(connection, statement)
            connection.commit()
            others = evidence_of_other_years(connection, dimension, [int(year) for year in years])
        kept = [home.codes(dimension.name, name) for name in ("evidence", "mapping")]
        of = made.makings(dimension.name, *years, *made.raw_sha256(home, years), others.to_csv(index=False))
        if all(made.stands(file, of) for file in kept):
            evidence, mapped = map(pd.read_parquet, kept)
            filled = made.facts(kept[0], "codes/*")["filled"]
        else:
            ours, filled = _evidence(home, dimension, years)
            evidence = pd.concat([others.astype(ours.dtypes), ours], ignore_index=True)
            mapped = mapping(evidence, dimension)
        names = mapped[mapped["kept"]].groupby(["level", *dimension.levels], dropna=False).size()
        yield from checks.settle(
            checks.result(
                key, "schema", checks.schema_failures(_of(evidence, years), checks.table_schema(dimension.evidence))
            ),
            checks.result(key, "many_to_one", names[names != 1].rename("codes").reset_index()),
        )
        for file, frame in zip(kept, (evidence, mapped), strict=True):
            if not made.stands(file, of):
                with replacing(file) as incoming:
                    frame.to_parquet(incoming, index=False)
                made.note(file, of, filled=filled)
        several = mapped.groupby(["level", *dimension.levels], dropna=False)["code"].transform("size") > 1
        yield dg.MaterializeResult(
            asset_key=key,
            metadata={
                "dagster/row_count": len(mapped),
                "fiscal_years_of_evidence": int(evidence["fiscal_year"].nunique()),
                "names_with_several_codes": int(mapped[several & mapped["kept"]].shape[0]),
                "nulls_filled": filled,
                "several_codes": checks.table_metadata(mapped[several].head(50)),
                "path": dg.MetadataValue.path(str(home.codes(dimension.name, "mapping"))),
            },
        )

    return codes


def _of(evidence, years):
    return evidence[evidence["fiscal_year"].isin([int(year) for year in years])].reset_index(drop=True)


def _evidence(home: Home, dimension: Dimension, years) -> tuple:
    """The evidence of these fiscal years from their raw files, and how many nulls were filled, by column."""
    import pandas as pd

    frames, filled = [], dict.fromkeys(dimension.columns, 0)
    for year in years:
        found = members(read_raw(home, year, dimension.columns), dimension)
        frame = found.frame
        frame.insert(0, "fiscal_year", int(year))
        frames.append(frame)
        for column, count in found.filled.items():
            filled[column] += count
    return pd.concat(frames, ignore_index=True), filled


def read_raw(home: Home, year: str, columns=None):
    """The raw rows of a fiscal year. Raises HomeError when they are not there."""
    import pyarrow.parquet as pq

    from sf_transactions.resources.home import HomeError

    path = home.raw(year)
    if not path.exists():
        raise HomeError(f"{path} is not there: materialize raw/transactions for fiscal year {year} first")
    columns = list(columns) if columns else None
    return pq.read_table(path, columns=columns, partitioning=None, read_dictionary=REPEATED)


assets = [_codes_asset(dimension) for dimension in CODED_DIMENSIONS]
