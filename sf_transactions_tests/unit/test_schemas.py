import dagster as dg
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sf_transactions import checks, schemas
from sf_transactions.model import CODED_DIMENSIONS, FINANCE, FUND, TRANSACTION
from sf_transactions.transform.codes import dimension_table, mapping
from sf_transactions.transform.star import finance_table
from sf_transactions_tests.unit.test_codes import evidence

KEY = dg.AssetKey(["star", "fund"])
FRAME = evidence(
    {"fund": "A", "fund_code": "1"}, {"fund": "B", "fund_code": "1"}, {"fund_type": "Trust", "fund_type_code": "TRUST"}
)
TABLE = dimension_table(FRAME, mapping(FRAME, FUND), FUND)


def failing(frame: pd.DataFrame, schema) -> pd.DataFrame:
    found = schemas.failures(frame, schema)
    assert found is not None
    return found


def test_a_table_of_the_star_is_valid_and_one_code_may_serve_several_names():
    assert schemas.failures(TABLE, schemas.table_schema(FUND.table)) is None
    assert schemas.failures(TABLE, schemas.one_code_schema(FUND)) is None
    assert schemas.failures(finance_table(), schemas.table_schema(FINANCE.table)) is None


@pytest.mark.parametrize("dimension", CODED_DIMENSIONS, ids=lambda dimension: dimension.name)
def test_a_name_with_two_codes_breaks_the_rule_at_every_level_and_is_named(dimension):
    row = {column.name: "x" for column in dimension.table.columns if column.max_bytes}
    for level in dimension.levels:
        code = f"{level}_code"
        below = {other: "y" for other in dimension.levels[dimension.levels.index(level) + 1 :]}
        two = pd.DataFrame([row, row | below | {code: "other"}, row | {name: "z" for name in dimension.levels}])
        found = failing(two, schemas.one_code_schema(dimension))
        assert set(found["check"]) == {f"one {level} carries several codes"}
        assert found[["row", "column", "value"]].values.tolist() == [[0, code, "x"], [1, code, "other"]]


def test_an_id_that_is_missing_breaks_the_schema_of_its_table():
    for kind in ("float64", "Int64"):
        lacking = TABLE.assign(fund_id=TABLE["fund_id"].astype(kind).where(TABLE.index > 0))
        assert set(failing(lacking, schemas.table_schema(FUND.table))["column"]) == {"fund_id"}


@pytest.mark.parametrize(
    ("change", "column", "check", "value"),
    [
        ({"fund": None}, "fund", "not_nullable", None),
        ({"fund": "é" * 151}, "fund", "longer than 300 bytes", "é" * 151),
        ({"fund_id": TABLE["fund_id"][0]}, "fund_id", "multiple_fields_uniqueness", TABLE["fund_id"][0]),
    ],
    ids=["null", "too long", "duplicated id"],
)
def test_what_breaks_a_schema_is_told_with_its_row_and_value(change, column, check, value):
    broken = TABLE.copy()
    for name, new in change.items():
        broken.loc[1, name] = new
    found = failing(broken, schemas.table_schema(FUND.table))
    last = found[found["row"] == 1].iloc[0]
    assert (last["column"], last["check"]) == (column, check)
    assert pd.isna(last["value"]) if value is None else last["value"] == value
    assert last["fund_type"] == broken.loc[1, "fund_type"]


def test_a_frame_of_other_columns_is_told_without_a_row():
    found = failing(TABLE.drop(columns="fund"), schemas.table_schema(FUND.table))
    assert set(found["check"]) == {"column_in_dataframe"}
    assert found["value"].tolist() == ["fund"]
    result = checks.result(KEY, "schema", found, of=len(TABLE))
    assert not result.passed and result.metadata["failing_rows"].value == 1


def test_a_result_tells_number_share_value_and_the_first_twenty_rows():
    broken = pd.concat([TABLE] * 20, ignore_index=True)
    result = checks.result(KEY, "schema", failing(broken, schemas.table_schema(FUND.table)), of=len(broken))
    assert not result.passed
    assert result.metadata["failing_rows"].value == 60
    assert result.metadata["failing_share"].value == 1.0
    assert len(result.metadata["sample"].records) == 20
    assert result.description.startswith("60 rows fail, first: column fund_id, check multiple_fields_uniqueness, value")
    assert checks.result(KEY, "schema", None, of=3).metadata["failing_share"].value == 0


def test_a_warning_does_not_stop_what_an_error_stops():
    warning, error = (
        checks.result(KEY, "schema", TABLE, severity)
        for severity in (dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR)
    )
    assert list(checks.settle(warning)) == [warning]
    with pytest.raises(checks.CheckError, match="star/fund, check schema: 3 rows fail"):
        list(checks.settle(error))


def test_the_fact_is_validated_as_integers():
    fact = pd.DataFrame({name: [1, 2] for name in TRANSACTION.column_names})
    assert schemas.failures(fact, schemas.table_schema(TRANSACTION)) is None
    assert set(failing(fact.assign(amount=[1.0, 2.0]), schemas.table_schema(TRANSACTION))["column"]) == {"amount"}


few = st.sampled_from(["a", "b"])


@given(st.lists(st.tuples(few, few, few, few, few, few), min_size=1, max_size=8))
def test_the_registered_rule_agrees_with_a_plain_reading_of_it(rows):
    frame = pd.DataFrame(rows, columns=[*FUND.levels, *FUND.codes])
    broken = False
    for level in FUND.levels:
        codes: dict[tuple, set] = {}
        for row in frame.to_dict("records"):
            codes.setdefault(tuple(row[name] for name in (*FUND.parents(level), level)), set()).add(
                row[f"{level}_code"]
            )
        broken |= any(len(found) > 1 for found in codes.values())
    assert (schemas.failures(frame, schemas.one_code_schema(FUND)) is not None) == broken
