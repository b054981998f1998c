"""What the dashboard carries: every row, exactly, and no id."""

import json
import zlib
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sf_transactions.dashboard import facts as dashboard_facts
from sf_transactions.dashboard import payload
from sf_transactions.dashboard.facts import FactsError, facts, hierarchy
from sf_transactions.model import CODED_DIMENSIONS, FINANCE, FUND, PROGRAM, SIDES, TRANSACTION, TYPE
from sf_transactions.transform.keys import surrogate_key

LARGEST = 10**18 - 1  # cents of DECIMAL(18,2)


def frame(dimension, members: int) -> pd.DataFrame:
    """A dimension of so many members: two to a parent."""
    rows = []
    for number in range(members):
        row = {level: f"{level} {number >> (2 - depth)}" for depth, level in enumerate(dimension.levels)}
        codes = {f"{level}_code": f"{number >> (2 - depth):02d}" for depth, level in enumerate(dimension.levels)}
        rows.append({dimension.id_column: 7_000_000_000_000_000_000 + number, **row, **codes})
    found = pd.DataFrame(rows)
    return found.assign(related_govt_units="No") if dimension is PROGRAM else found


DIMENSIONS = {dimension.name: frame(dimension, 12) for dimension in CODED_DIMENSIONS} | {
    "finance": pd.DataFrame(
        {
            "finance_id": [surrogate_key(FINANCE.name, (side,)) for side in SIDES],
            "revenue_or_spending": list(SIDES),
        }
    )
}
ROWS = st.lists(
    st.tuples(
        st.integers(1999, 2027),
        st.integers(0, 11),
        st.integers(0, 11),
        st.integers(0, 11),
        st.sampled_from(SIDES),
        st.one_of(st.integers(-LARGEST, LARGEST), st.integers(-1000, 1000)),
    ),
    max_size=60,
)


def table(rows) -> pa.Table:
    base = 7_000_000_000_000_000_000
    columns = {
        "transaction_id": range(len(rows)),
        "fiscal_year": [row[0] for row in rows],
        **{f"{name}_id": [base + row[i] for row in rows] for i, name in enumerate(("program", "type", "fund"), 1)},
        "finance_id": [surrogate_key(FINANCE.name, (row[4],)) for row in rows],
        "amount": [Decimal(row[5]).scaleb(-2) for row in rows],
    }
    types = {"INTEGER": pa.int32(), "BIGINT": pa.int64(), "DECIMAL(18,2)": pa.decimal128(18, 2)}
    schema = pa.schema([(column.name, types[column.sql_type]) for column in TRANSACTION.columns])
    return pa.table({name: pa.array(values, schema.field(name).type) for name, values in columns.items()})


@given(ROWS)
@settings(max_examples=60, deadline=None)
def test_every_row_that_goes_in_comes_out_exactly(rows):
    header, columns = payload.decode(
        payload.expanded(payload.compressed(*payload.encode(facts(table(rows), DIMENSIONS), {})))
    )
    cells = [(year, side) for year in header["years"] for side in header["sides"]]
    placed = np.repeat(np.arange(len(cells)), header["rows_of"])
    names = {
        dimension.name: [
            header["hierarchies"][dimension.name]["nodes"][-1]["names"][node]
            for node in header["hierarchies"][dimension.name]["members"]
        ]
        for dimension in CODED_DIMENSIONS
    }
    found = [
        (*cells[cell], *(names[d.name][columns[d.name][row]] for d in CODED_DIMENSIONS), int(columns["amount"][row]))
        for row, cell in enumerate(placed)
    ]
    expected = [
        (year, side, f"program {p}", f"sub_object {t}", f"fund_category {f}", cents)
        for year, p, t, f, side, cents in rows
    ]
    assert sorted(found) == sorted(expected)


@given(st.binary(max_size=300))
def test_bytes_are_written_in_characters_that_a_script_element_keeps(data):
    text = payload.to_text(data)
    assert payload.from_text(text) == data
    assert not {"\0", "\r", "<"} & set(text)


@given(st.lists(st.binary(max_size=300)))
def test_parts_that_are_compressed_apart_are_one_gzip_stream(parts):
    data = payload.from_text(payload.compressed(*parts))
    stream = zlib.decompressobj(31)
    assert stream.decompress(data) == b"".join(parts)
    assert stream.eof and not stream.unused_data


def test_no_id_of_the_star_leaves_with_the_facts():
    rows = table([(2025, 1, 2, 3, "Revenue", 100), (2025, 4, 5, 6, "Spending", -100)])
    carried = b"".join(payload.encode(facts(rows, DIMENSIONS), {}))
    for name, dimension in DIMENSIONS.items():
        for identifier in dimension[f"{name}_id"]:
            assert str(identifier).encode() not in carried
            assert int(identifier).to_bytes(8, "little") not in carried


def test_a_row_whose_member_is_missing_is_an_error_that_names_the_dimension():
    with pytest.raises(FactsError, match=r"1 rows have a type_id that report\.type lacks"):
        facts(
            table([(2025, 0, 0, 0, "Revenue", 1), (2025, 0, 11, 0, "Revenue", 1)]),
            DIMENSIONS | {"type": frame(TYPE, 5)},
        )


def test_more_rows_than_can_be_added_exactly_are_refused(monkeypatch):
    monkeypatch.setattr(dashboard_facts, "MOST_ROWS", 2)
    with pytest.raises(FactsError, match="2 rows are more than the 1 that the dashboard can add exactly"):
        facts(table([(2025, 0, 0, 0, "Revenue", 1)] * 2), DIMENSIONS)


def test_sums_of_halves_stay_below_what_a_javascript_number_holds_exactly():
    assert dashboard_facts.MOST_ROWS * (2**32 - 1) < 2**53
    assert dashboard_facts.MOST_ROWS * (LARGEST >> 32) < 2**53


def test_a_hierarchy_tells_members_of_the_same_name_under_other_parents_apart():
    twins = pd.DataFrame(
        {
            "fund_type": ["A", "B", "A"], "fund": ["Same", "Same", "Same"], "fund_category": ["x", "x", "y"],
            "fund_type_code": ["1", "2", "1"], "fund_code": ["01", "02", "01"], "fund_category_code": ["0", "0", "1"],
        }
    )  # fmt: skip
    found = hierarchy(FUND, twins)
    assert [level["names"] for level in found["nodes"]] == [["A", "B"], ["Same", "Same"], ["x", "x", "y"]]
    assert [level["parents"] for level in found["nodes"]] == [None, [0, 1], [0, 1, 0]]
    assert [level["codes"] for level in found["nodes"]] == [["1", "2"], ["01", "02"], ["0", "0", "1"]]
    assert found["members"] == [0, 1, 2]
    assert json.dumps(found)


def test_only_members_with_rows_are_carried_the_most_frequent_first():
    rows = table([(2025, 3, 0, 0, "Revenue", 1), (2025, 7, 0, 0, "Revenue", 1), (2025, 7, 0, 0, "Spending", 1)])
    found = facts(rows, DIMENSIONS)
    assert found.frames["program"]["program"].tolist() == ["program 7", "program 3"]
    assert sorted(found.members["program"].tolist()) == [0, 0, 1]
