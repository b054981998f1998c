"""From a pandera schema or a rule to a Dagster asset check, with the rows that break it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from sf_transactions.model import SCHEMA, SIDES, Dimension, Table, code_column

if TYPE_CHECKING:
    import pandas as pd
    import pandera.pandas as pa

SAMPLE = 20  # failing rows shown


class CheckError(RuntimeError):
    """Blocking checks of an asset failed; the message says which, for how many rows, and shows the first row."""


def specs(asset: dg.AssetKey, descriptions: Mapping[str, str], blocking: bool = True) -> list[dg.AssetCheckSpec]:
    """Checks of an asset, by name. Where a blocking one fails, what depends on the asset does not run."""
    return [
        dg.AssetCheckSpec(name, asset=asset, blocking=blocking, description=text) for name, text in descriptions.items()
    ]


def result(
    asset: dg.AssetKey,
    name: str,
    failing: "pd.DataFrame | None" = None,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    **metadata: Any,
) -> dg.AssetCheckResult:
    """A check result that passes when no row fails; the first failing rows are its table and its description."""
    count = 0 if failing is None else len(failing)
    shown = {"failing_rows": count, **metadata}
    description = None
    if failing is not None and count:
        shown["sample"] = table_metadata(failing.head(SAMPLE))
        first = ", ".join(f"{column} {value}" for column, value in failing.iloc[0].items())
        description = f"{count:,} {'row fails' if count == 1 else 'rows fail'}, first: {first}"
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=name,
        passed=count == 0,
        severity=severity,
        metadata=shown,
        description=description,
    )


def settle(*results: dg.AssetCheckResult) -> Iterator[dg.AssetCheckResult]:
    """Yields the results to Dagster. Raises CheckError when one failed that is no mere warning, so that the asset is
    not materialized."""
    yield from results
    failed = [
        f"{each.asset_key.to_user_string()}, check {each.check_name}: {each.description}"
        for each in results
        if each.asset_key and not each.passed and each.severity is dg.AssetCheckSeverity.ERROR
    ]
    if failed:
        raise CheckError("; ".join(failed))


def table_metadata(frame: "pd.DataFrame") -> dg.TableMetadataValue:
    """A small frame as a table in Dagster's UI; values as text, so that decimals and ids stay exact."""
    records = [dg.TableRecord({str(k): str(v) for k, v in row.items()}) for row in frame.to_dict("records")]
    columns = [dg.TableColumn(str(name)) for name in frame.columns]
    return dg.MetadataValue.table(records, dg.TableSchema(columns))


def column_schema(table: Table) -> dg.TableSchema:
    return dg.TableSchema(
        [
            dg.TableColumn(column.name, column.sql_type.lower(), description=column.description)
            for column in table.columns
        ]
    )


def warehouse_metadata(table: Table) -> dict[str, Any]:
    return {"dagster/column_schema": column_schema(table), "dagster/table_name": f"{SCHEMA}.{table.name}"}


def table_schema(table: Table) -> "pa.DataFrameSchema":
    """What every table of the star must be: its columns in order, no null, texts that fit, unique keys.

    `amount` is in cents (int64), so that it is exact.
    """
    import pandera.pandas as pa

    columns = {}
    for column in table.columns:
        checks = []
        if column.max_bytes:
            checks.append(_fits(column.max_bytes))
        if column.name == "related_govt_units":
            checks.append(pa.Check.isin(["No", "Yes"]))
        if column.name == "revenue_or_spending":
            checks.append(pa.Check.isin(SIDES))
        columns[column.name] = pa.Column("str" if column.max_bytes else "int64", checks, nullable=False)
    return pa.DataFrameSchema(columns, strict=True, ordered=True, unique=list(table.primary_key))


def _fits(max_bytes: int) -> "pa.Check":
    import pandera.pandas as pa
    import pyarrow
    import pyarrow.compute as pc

    def fits(texts: "pd.Series") -> "pd.Series":
        short = pc.less_equal(pc.binary_length(pyarrow.array(texts, pyarrow.string())), max_bytes)
        return texts.notna() & short.fill_null(False).to_numpy(zero_copy_only=False)

    return pa.Check(fits, error=f"longer than {max_bytes} bytes")


def schema_failures(frame: "pd.DataFrame", schema: "pa.DataFrameSchema") -> "pd.DataFrame | None":
    """pandera's failure cases (column, check, value, row), or None when the frame is valid."""
    import pandera.errors

    try:
        schema.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        return error.failure_cases[["column", "check", "failure_case", "index"]]
    return None


def several_codes(frame: "pd.DataFrame", dimension: Dimension) -> "pd.DataFrame":
    """Names that carry more than one code within their parents: none, where the rule holds."""
    import pandas as pd

    parts = []
    for level in dimension.levels if dimension.coded else ():
        path = [*dimension.parents(level), level]
        codes = frame.groupby(path)[code_column(level)].nunique()
        broken = codes[codes > 1]
        parts += [
            {"level": level, "path": " > ".join(map(str, key if isinstance(key, tuple) else (key,))), "codes": n}
            for key, n in broken.items()
        ]
    return pd.DataFrame(parts, columns=["level", "path", "codes"])


def differences(expected: Mapping[Any, Any], found: Mapping[Any, Any], names: tuple[str, str]) -> "pd.DataFrame":
    """Where two sets of control totals differ: (fiscal year, side), and the two values."""
    import pandas as pd

    keys: Iterable[Any] = sorted(expected.keys() | found.keys(), key=str)
    rows = [(*key, str(expected.get(key)), str(found.get(key))) for key in keys if expected.get(key) != found.get(key)]
    return pd.DataFrame(rows, columns=["fiscal_year", "revenue_or_spending", *names])
