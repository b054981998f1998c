"""pandera schemas of the model's tables: what must hold in what the pipeline makes.

They are laid on members, and on the fact as integers, never on the published rows.
"""

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from sf_transactions.model import RELATED_GOVT_UNITS, SIDES, Dimension, Table, code_column

if TYPE_CHECKING:
    import pandas as pd
    import pandera.pandas as pa

KNOWN = {"related_govt_units": sorted(set(RELATED_GOVT_UNITS.values())), "revenue_or_spending": list(SIDES)}


def table_schema(table: Table, texts: bool = True, keys: bool = True) -> "pa.DataFrameSchema":
    """What a table must be: its columns in order, no null, known spellings, texts that fit, unique keys.

    Dollars are cents (int64), so that they are exact. Without `texts` these are not looked at: where they are those of
    members, which were validated once. Without `keys` neither are these: where rows were grouped by them, or where they
    are compared with those of other frames.
    """
    import pandera.pandas as pa

    columns = {}
    for column in table.columns:
        checks = [_fits(column.max_bytes)] if column.max_bytes else []
        if column.name in KNOWN:
            checks.append(pa.Check.isin(KNOWN[column.name]))
        looked_at = texts or not column.max_bytes
        kind = "str" if column.max_bytes else "int64"
        columns[column.name] = pa.Column(kind, checks) if looked_at else pa.Column(nullable=True)
    return pa.DataFrameSchema(columns, strict=True, ordered=True, unique=list(table.primary_key) if keys else None)


def one_code_schema(dimension: Dimension) -> "pa.DataFrameSchema":
    """That within its parents a name carries exactly one code, at every level of a dimension."""
    import pandera.pandas as pa

    rules = [
        _many_to_one((*dimension.parents(level), level), code_column(level), f"one {level} carries several codes")
        for level in dimension.levels
        if dimension.coded
    ]
    return pa.DataFrameSchema(checks=rules)


def mapping_schema(dimension: Dimension) -> "pa.DataFrameSchema":
    """That in a mapping (`transform.codes.mapping`) a name keeps one of its codes, and no other."""
    import pandera.pandas as pa

    path = ("level", *dimension.levels)
    rules = [_many_to_one(path, "kept_code", "one name keeps several codes")]
    return pa.DataFrameSchema({"kept_code": pa.Column("str", nullable=False)}, checks=rules)


def _many_to_one(path: Iterable[str], code: str, error: str) -> "pa.Check":
    import pandera.pandas as pa

    _register()
    return pa.Check.many_to_one(path=tuple(path), code=code, error=error)


@cache
def _register() -> None:
    """Makes the rule of this project one of pandera's checks, `Check.many_to_one`; once a process."""
    from pandera.extensions import register_check_method

    @register_check_method(statistics=["path", "code"])
    def many_to_one(frame: "pd.DataFrame", *, path: Iterable[str], code: str) -> "pd.Series":
        """Each name path (the columns `path`) comes with one value of the column `code`; many may share a value."""
        groups = frame.groupby(list(path), dropna=False)[code]
        return groups.transform("nunique") == 1


def _fits(max_bytes: int) -> "pa.Check":
    import pandera.pandas as pa
    import pyarrow
    import pyarrow.compute as pc

    def fits(texts: "pd.Series") -> "pd.Series":
        short = pc.less_equal(pc.binary_length(pyarrow.array(texts, pyarrow.string())), max_bytes)
        return texts.notna() & short.fill_null(False).to_numpy(zero_copy_only=False)

    return pa.Check(fits, error=f"longer than {max_bytes} bytes")


def failures(frame: "pd.DataFrame", schema: "pa.DataFrameSchema") -> "pd.DataFrame | None":
    """What breaks the schema, or None: `column`, `check`, `value`, and the `row`, from 0, followed by what it holds.

    A fault of the frame as a whole, such as a missing column, has no row.
    """
    import pandas as pd
    import pandera.errors

    try:
        schema.validate(frame, lazy=True, inplace=True)  # no rule here changes what it looks at: no copy is needed
    except pandera.errors.SchemaErrors as error:
        cases = error.failure_cases.rename(columns={"failure_case": "value", "index": "row"})
    else:
        return None
    # pandera tells every column of a row that breaks a rule over several: of these only the code is at fault.
    codes = {check.error: check.statistics["code"] for check in schema.checks if "code" in (check.statistics or {})}
    at_fault = cases["check"].map(codes)
    cases = cases[at_fault.isna() | (at_fault == cases["column"])]
    whole = frame.reset_index(drop=True).rename_axis("row").reset_index()
    known = cases["row"].notna() & cases["row"].isin(frame.index)
    place = pd.Series(range(len(frame)), frame.index)
    cases = cases.assign(row=cases["row"].where(known).map(place))[["column", "check", "value", "row"]]
    beside = [name for name in whole.columns if name not in cases.columns or name == "row"]
    shown = cases.merge(whole[beside], on="row", how="left")
    return shown.sort_values(["row", "column", "check"], ignore_index=True)
