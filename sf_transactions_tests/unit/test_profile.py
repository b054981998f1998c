import copy

import pytest

from sf_transactions.model import FUND
from sf_transactions.transform.profile import (
    against_published,
    appeared,
    distinct_as_published,
    jumps,
    many,
    profile,
    vanished,
)
from sf_transactions_tests.unit.test_codes import evidence

YEARS = [
    {"fiscal_year": year, "row_count": 100, "spending": 10_000, "fund": fund, "fund_code": fund}
    for year in (2016, 2017, 2024, 2025, 2026)
    for fund in ("A", "B")
]
NULL = {"fiscal_year": 2017, "fund_category": "No Fund Category", "fund_category_code": "No Fund Category Code"}
NOW = profile({FUND: evidence(*YEARS, NULL)})


def test_a_profile_tells_years_columns_and_members():
    assert NOW["years"]["2017"] == {"rows": 201, "Revenue": "0.00", "Spending": "201.00"}
    assert NOW["columns"]["fund_category"] == {
        "nulls": 1, "distinct": 1, "smallest": "Operating", "largest": "Operating",
    }  # fmt: skip
    assert sorted(NOW["members"]["fund"].values())[0] == "General Fund > A > Operating"


def test_the_same_load_again_is_no_jump():
    assert jumps(NOW, copy.deepcopy(NOW)).empty
    assert vanished(NOW, NOW).empty and appeared(NOW, NOW).empty


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([row for row in YEARS if row["fiscal_year"] != 2016], {"fiscal year 2016"}),
        ([row | {"row_count": 150} if row["fiscal_year"] == 2017 else row for row in YEARS], {"fiscal year 2017"}),
        ([row | {"row_count": 150} if row["fiscal_year"] == 2026 else row for row in YEARS], set()),
        ([row | {"spending": 20_000} if row["fiscal_year"] == 2016 else row for row in YEARS], {"fiscal year 2016"}),
    ],
    ids=["a year gone", "more rows", "the newest year grows", "more dollars"],
)
def test_a_jump_of_a_settled_year_is_told(rows, expected):
    found = jumps(profile({FUND: evidence(*rows, NULL)}), NOW)
    assert set(found["what"]) == expected


def test_more_nulls_and_fewer_names_are_jumps():
    rows = [row | {"fund": "No Fund"} if row["fund"] == "B" else row for row in YEARS]
    found = jumps(profile({FUND: evidence(*rows, NULL)}), NOW)
    assert set(zip(found["what"], found["fact"], strict=True)) == {("fund", "nulls"), ("fund", "distinct")}


def test_members_that_come_and_go_are_told_and_many_of_them_warn():
    less = profile({FUND: evidence(*(row for row in YEARS if row["fund"] == "A"))})
    gone = vanished(less, NOW)
    assert sorted(gone["member"]) == ["General Fund > B > Operating", "General Fund > GF Annual > No Fund Category"]
    assert len(many(gone, NOW)) == 2
    assert appeared(NOW, less)["member_id"].tolist() == gone["member_id"].tolist()
    some = NOW["members"]["fund"] | {str(number): str(number) for number in range(100)}
    assert many(gone, {"members": {"fund": some}}).empty


def test_the_load_is_compared_with_the_profile_of_the_portal():
    published = {
        "fund_category": {"null": "1", "non_null": "1000", "smallest": "Operating"},
        "amount": {"smallest": "-4477861107.15", "largest": "2673070232.170"},
        "data_as_of": {"null": "0"},
    }
    extremes = (-447786110715, 267307023217)
    assert against_published(NOW, published, extremes).empty
    assert against_published(NOW, published, None).empty
    assert against_published(NOW, {}, extremes).empty
    published["fund_category"]["null"] = "0"
    published["amount"]["largest"] = "2673070232.18"
    found = against_published(NOW, published, extremes)
    assert found.values.tolist()[0] == ["fund_category", "null", "0", 1]
    assert found["column"].tolist() == ["fund_category", "amount"]


def test_each_year_has_as_many_distinct_names_and_codes_as_the_portal_counts():
    rows = [{"fiscal_year": 2017, "fund": "A"}, {"fiscal_year": 2017, "fund": "No Fund"}, {"fund": "A"}, {"fund": "B"}]
    frames = {FUND: evidence(*rows)}
    told = {"2017": {"n_fund": "1", "n_fund_code": "1", "first_fund": "A"}, "2020": {"n_fund": "2"}, "2021": None}
    assert [len(found) if hasattr(found, "columns") else found for found in distinct_as_published(frames, told)] == [
        0,
        3,
    ]
    told["2020"]["n_fund"] = "3"
    found, compared = distinct_as_published(frames, told)
    assert found.values.tolist() == [["2020", "fund", 3, 2]]
    assert compared == 3
