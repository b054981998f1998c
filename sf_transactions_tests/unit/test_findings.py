import pandas as pd
import pytest

from sf_transactions.local.sample import generate
from sf_transactions.model import CODED_DIMENSIONS, FUND
from sf_transactions.transform import findings
from sf_transactions.transform.amounts import cents_by_side
from sf_transactions.transform.codes import evidence as evidence_of
from sf_transactions.transform.members import members
from sf_transactions_tests.unit.test_codes import evidence

GOOD = evidence({}, {"fund": "Trust", "fund_code": "00310"})


def names(find, *rows: dict) -> list:
    frame = pd.concat([GOOD, evidence(*rows)]) if rows else GOOD
    found = find(findings.published_pairs({FUND: frame}))
    return found[["pair", "name"]].values.tolist()


@pytest.mark.parametrize(
    ("find", "row", "expected"),
    [
        (findings.float_codes, {"fund_category_code": "1.0"}, ["fund_category", "Operating"]),
        (findings.lost_zeros, {"fund": "Trust", "fund_code": "310"}, ["fund", "Trust"]),
        (
            findings.swapped_columns,
            {"fund": "00310", "fund_code": "Trust", "fund_category": "Grants"},
            ["fund", "00310"],
        ),
        (findings.stray_spaces, {"fund": "Trust "}, ["fund", "Trust "]),
        (findings.stray_spaces, {"fund": "Tr\tust"}, ["fund", "Tr\tust"]),
        (findings.stray_spaces, {"fund_code": ""}, ["fund", "GF Annual"]),
        (findings.mojibake, {"fund": "CafÃ©"}, ["fund", "CafÃ©"]),
        (findings.several_codes, {"fund_code": "X"}, ["fund", "GF Annual"]),
    ],
)
def test_a_defect_is_found_by_the_pair_and_the_name(find, row, expected):
    assert names(find) == []
    assert names(find, row) == [expected]


def test_twins_are_found_together():
    assert names(findings.near_twins, {"fund": "TRUST"}) == [["fund", "TRUST"], ["fund", "Trust"]]


@pytest.mark.parametrize(
    ("nulls", "expected"),
    [
        ({"fund": "No Fund"}, []),
        ({"fund_category": "No Fund Category", "fund_category_code": "No Fund Category Code"}, []),
        ({"fund_category": "No Fund Category"}, ["null in fund_category"]),
        ({"fund": "No Fund", "fund_code": "No Fund Code"}, ["null in fund_code"]),
        ({"fund_type": "No Fund Type"}, ["null in fund_type"]),
    ],
)
def test_columns_are_null_in_known_patterns(nulls, expected):
    found = findings.unknown_nulls({FUND: pd.concat([GOOD, evidence(nulls)])})
    assert found["found"].tolist() == expected


def test_only_what_was_not_there_before_is_new():
    found = findings.several_codes(findings.published_pairs({FUND: pd.concat([GOOD, evidence({"fund_code": "X"})])}))
    name = ("fund", "General Fund", "GF Annual")
    assert findings.appeared(found, None).empty
    assert findings.appeared(found, [name]).empty
    assert len(findings.appeared(found, [])) == 1


def test_the_sample_has_the_peculiarities_of_the_real_data_and_none_of_the_defects():
    table = generate(4_000)
    every = {
        dimension: evidence_of(members(table, dimension), cents_by_side(table), 2025) for dimension in CODED_DIMENSIONS
    }
    pairs = findings.published_pairs(every)
    assert {name: len(find(pairs)) for name, (find, _) in findings.DEFECTS.items()} == dict.fromkeys(
        findings.DEFECTS, 0
    )
    assert all(len(find(pairs)) for find, _ in findings.PECULIARITIES.values())
    assert findings.unknown_nulls(every).empty
