"""From a pandera schema or a rule to a Dagster asset check, with the rows that break it."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from sf_transactions.model import SCHEMA, Table
from sf_transactions.transform.amounts import ControlTotal

if TYPE_CHECKING:
    import pandas as pd
    from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation

SAMPLE = 20  # failing rows shown
PREVIEW = 10  # rows of what was made that are shown
FIRST = "first: "  # before the failing row that a result tells in words
RUNS = 5  # last runs whose findings are told


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
    of: int | None = None,
    **metadata: Any,
) -> dg.AssetCheckResult:
    """A check result that passes when no row fails: how many rows fail, which share `of` those that were checked, the
    first of them as a table, and the first in words.

    Several failing values of one row, told apart by a column `row`, count as one row. Where `failing` are only the
    first rows, its `attrs["rows"]` says how many fail.
    """
    count = 0 if failing is None else failing.attrs.get("rows", len(failing))
    if failing is not None and "row" in failing:
        count = int(failing["row"].nunique() + failing["row"].isna().sum())
    shown: dict[str, Any] = {"failing_rows": count}
    if of is not None:
        shown |= {"rows_checked": of, "failing_share": count / of if of else 0.0}
    description = None
    if failing is not None and count:
        shown["sample"] = table_metadata(failing.head(SAMPLE))
        told = failing.iloc[0].dropna()
        if "row" in failing:  # what the row holds is in the sample
            told = told[[column for column in ("column", "check", "value", "row") if column in told]]
        first = ", ".join(f"{column} {value}" for column, value in told.items())
        description = f"{count:,} {'row fails' if count == 1 else 'rows fail'}, {FIRST}{first}"
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=name,
        passed=count == 0,
        severity=severity,
        metadata=shown | metadata,
        description=description,
    )


def history(instance: dg.DagsterInstance, check: dg.AssetCheckKey) -> "list[tuple[str, AssetCheckEvaluation]]":
    """The last evaluations of a check, the newest first, each with its time (UTC): fewer where many runs ended before
    it."""
    for limit in (RUNS + 1, 4 * RUNS):  # each that is read takes time; the first may be that of this run, under way
        records = instance.event_log_storage.get_asset_check_execution_history(check, limit)
        found = [
            (time.strftime("%Y-%m-%d %H:%M", time.gmtime(record.create_timestamp)), record.evaluation)
            for record in records
            if record.status.value in ("SUCCEEDED", "FAILED") and record.evaluation
        ]
        if len(found) >= RUNS or len(records) < limit:
            break
    return found[:RUNS]


def figure(evaluation: "AssetCheckEvaluation", name: str) -> Any:
    """A value that a check told with its result, or None."""
    told = evaluation.metadata.get(name)
    return None if told is None else told.value


def trend(instance: dg.DagsterInstance, asset: dg.AssetKey, name: str) -> dg.TableMetadataValue:
    """What a check found in the last runs, the newest first: when, how many rows failed, and whether it passed."""
    evaluations = history(instance, dg.AssetCheckKey(asset, name))
    rows = [(when, figure(evaluation, "failing_rows"), evaluation.passed) for when, evaluation in evaluations]
    return table(["when", "failing_rows", "passed"], rows)


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
    """A small frame as a table in Dagster's UI."""
    return table(list(frame.columns), frame.itertuples(index=False, name=None))


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> dg.TableMetadataValue:
    """A few rows as a table in Dagster's UI; values as text, so that decimals and ids stay exact."""
    names = [str(name) for name in columns]
    records = [dg.TableRecord(dict(zip(names, map(str, row), strict=True))) for row in rows]
    return dg.MetadataValue.table(records, dg.TableSchema([dg.TableColumn(name) for name in names]))


def frame_preview(frame: "pd.DataFrame") -> dg.MarkdownMetadataValue:
    """A small frame as `preview` shows it."""
    return preview(list(frame.columns), frame.itertuples(index=False, name=None))


def preview(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> dg.MarkdownMetadataValue:
    """A few rows of what was made, as Dagster's UI shows them. In Markdown, because Dagster stores them once a fiscal
    year, which takes an eighth of the time of a table."""
    header, *told = ([str(value).replace("|", "\\|") for value in row] for row in (columns, *rows))
    lines = (header, ["---"] * len(header), *told)
    return dg.MetadataValue.md("\n".join(f"| {' | '.join(line)} |" for line in lines))


def figures(totals: Mapping[str, ControlTotal]) -> dict[str, Any]:
    """Rows and dollars by side, as metadata of a fiscal year."""
    told: dict[str, Any] = {}
    for side, total in totals.items():
        told |= {f"{side.lower()}_rows": total.rows, f"{side.lower()}_dollars": str(total.amount)}
    return told


def column_schema(table: Table) -> dg.TableSchema:
    return dg.TableSchema(
        [
            dg.TableColumn(column.name, column.sql_type.lower(), description=column.description)
            for column in table.columns
        ]
    )


def warehouse_metadata(table: Table) -> dict[str, Any]:
    return {"dagster/column_schema": column_schema(table), "dagster/table_name": f"{SCHEMA}.{table.name}"}


def failing(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> "pd.DataFrame | None":
    """Failing rows for `result`, or None when there are none: pandas is loaded only for what is wrong."""
    if not rows:
        return None
    import pandas as pd

    return pd.DataFrame(rows, columns=list(columns))


def differences(expected: Mapping[Any, Any], found: Mapping[Any, Any], names: tuple[str, str]) -> "pd.DataFrame | None":
    """Where two sets of control totals differ: (fiscal year, side), and the two values. None where nowhere."""
    keys: Iterable[Any] = sorted(expected.keys() | found.keys(), key=str)
    rows = [(*key, str(expected.get(key)), str(found.get(key))) for key in keys if expected.get(key) != found.get(key)]
    return failing(["fiscal_year", "revenue_or_spending", *names], rows)
