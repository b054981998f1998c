"""codes/{program,type,fund}: every published name and code, and the one code that each name keeps."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from sf_transactions import checks, schemas
from sf_transactions.assets.raw import RAW
from sf_transactions.automation import BY_FISCAL_YEAR, FISCAL_YEARS
from sf_transactions.model import AMOUNT, CODED_DIMENSIONS, FINANCE, REPEATED, Dimension, Table
from sf_transactions.once import once
from sf_transactions.resources import loaded, loading, made
from sf_transactions.resources.home import Home, replacing
from sf_transactions.resources.warehouse import Warehouse
from sf_transactions.transform.amounts import cents_by_side
from sf_transactions.transform.codes import evidence, kept_code, mapping
from sf_transactions.transform.members import members
from sf_transactions.transform.overrides import published_only, read_overrides

if TYPE_CHECKING:
    import pandas as pd

OVERRIDES = Path(__file__).parent.parent / "overrides.csv"


def codes_key(of: Dimension | Table) -> dg.AssetKey:
    """The asset of a dimension's codes, or of a table about codes."""
    return dg.AssetKey(["codes", of.name])


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
            "year in which the name appears; most rows break a tie, then the smaller text. Where a person knows "
            "better, the file `overrides.csv` says so. Every published code stays here with its evidence: first and "
            "last fiscal year, rows, dollars.\n\nThe evidence of all loaded fiscal years counts, so that loading an "
            "old year alone never puts an old code over a new one."
        ),
        check_specs=checks.specs(
            key,
            {
                "schema": "Names and codes as the warehouse takes them: no nulls, known spellings, texts that fit.",
                "many_to_one": "Within its parents a name keeps exactly one code.",
                "overrides": "Every line of overrides.csv can be read, contradicts no other and names a published "
                "code; until all fiscal years are loaded, a code that is not published is only a warning.",
            },
        ),
        **BY_FISCAL_YEAR,
    )
    def codes(context: dg.AssetExecutionContext, home: Home, warehouse: Warehouse) -> Iterator:
        years = context.partition_keys
        with warehouse.connect() as connection:
            loading.make_schema(connection)
            others = loaded.evidence_of_other_years(connection, home, dimension, [int(year) for year in years])
        written = OVERRIDES.read_text(encoding="utf-8-sig")  # spreadsheets mark UTF-8 so
        beside = "" if others is None else made.rows_sha256(others)
        all_years = FISCAL_YEARS.get_partition_keys()
        of = made.makings(dimension.name, *years, *all_years, *made.raw_sha256(home, years), beside, written)
        files = [home.codes(dimension.name, name) for name in ("evidence", "mapping")]
        yield from once(
            home, key.to_user_string(), of, files, lambda: _make(key, dimension, home, years, others, written, files)
        )

    return codes


def _make(
    key: dg.AssetKey,
    dimension: Dimension,
    home: Home,
    years: Sequence[str],
    others: "pd.DataFrame | None",
    written: str,
    files: Sequence[Path],
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
    """Makes the evidence and the mapping of a dimension from these fiscal years, and the evidence of others."""
    import pandas as pd

    ours, filled = _evidence(home, dimension, years)
    found = ours if others is None else pd.concat([others.astype(ours.dtypes), ours], ignore_index=True)
    overrides, reviewed = _overrides(key, written, found, dimension, {*years, *map(str, found["fiscal_year"])})
    mapped = mapping(found, dimension, overrides)
    evidence_schema = schemas.table_schema(dimension.evidence, keys=False)
    yield from checks.settle(
        reviewed,
        checks.result(key, "schema", schemas.failures(ours, evidence_schema), of=len(ours)),
        checks.result(key, "many_to_one", schemas.failures(mapped, schemas.mapping_schema(dimension)), of=len(mapped)),
    )
    for file, frame in zip(files, (found, mapped), strict=True):
        with replacing(file) as incoming:
            frame.to_parquet(incoming, index=False)
    several = mapped.groupby(["level", *dimension.levels], dropna=False)["code"].transform("size") > 1
    yield dg.MaterializeResult(
        asset_key=key,
        metadata={
            "dagster/row_count": len(mapped),
            "fiscal_years_of_evidence": int(found["fiscal_year"].nunique()),
            "names_with_several_codes": int((several & kept_code(mapped)).sum()),
            "nulls_filled": filled,
            "several_codes": checks.frame_preview(mapped[several].head(checks.PREVIEW)),
            "path": dg.MetadataValue.path(str(home.codes(dimension.name, "mapping"))),
        },
    )


def _overrides(key, written: str, found, dimension: Dimension, years: set[str]) -> tuple[list, dg.AssetCheckResult]:
    """The overrides of this dimension that hold, and the check of all of them.

    A line whose name or code is not published may only wait for its fiscal years to be loaded.
    """
    import pandas as pd

    overrides, problems = read_overrides(written)
    current, stale = published_only(overrides, found, dimension)
    certain = problems or years.issuperset(FISCAL_YEARS.get_partition_keys())
    failing = pd.DataFrame(
        [{"file": OVERRIDES.name, "line": each.line, "problem": each.problem} for each in (*problems, *stale)]
    )
    severity = dg.AssetCheckSeverity.ERROR if certain else dg.AssetCheckSeverity.WARN
    lines = len(overrides) + len(problems)
    return current, checks.result(key, "overrides", failing, severity, of=lines, overrides=len(current))


def _evidence(home: Home, dimension: Dimension, years) -> tuple:
    """The evidence of these fiscal years from their raw files, and how many nulls were filled, by column."""
    import pandas as pd

    frames, filled = [], dict.fromkeys(dimension.columns, 0)
    for year in years:
        rows = read_raw(home, year, (*dimension.columns, FINANCE.levels[0], AMOUNT.name))
        found = members(rows, dimension)
        frames.append(evidence(found, cents_by_side(rows), int(year)))
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
    with pq.ParquetFile(path, read_dictionary=REPEATED) as file:  # read_table would load pandas
        return file.read(list(columns) if columns else None)


assets = [_codes_asset(dimension) for dimension in CODED_DIMENSIONS]
