import itertools

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from sf_transactions.model import FUND
from sf_transactions.transform.codes import code_mapping, dimension_table, kept_code, mapping

COLUMNS = list(FUND.evidence.column_names)


def evidence(*rows: dict) -> pd.DataFrame:
    """Evidence of the fund hierarchy, a row for every mapping of changes."""
    plain = {
        "fiscal_year": 2020, "fund_type": "General Fund", "fund_type_code": "GEN_FUND", "fund": "GF Annual",
        "fund_code": "GEN_FUND~10000", "fund_category": "Operating", "fund_category_code": "1", "row_count": 1,
        "revenue": 0, "spending": 100,
    }  # fmt: skip
    return pd.DataFrame([plain | row for row in rows])[COLUMNS]


def kept(frame: pd.DataFrame, level: str) -> list[str]:
    mapped = mapping(frame, FUND)
    return mapped.loc[(mapped["level"] == level) & kept_code(mapped), "code"].tolist()


def reasons(frame: pd.DataFrame, level: str) -> set[str]:
    mapped = mapping(frame, FUND)
    return set(mapped.loc[mapped["level"] == level, "reason"])


def test_the_code_of_the_latest_fiscal_year_is_kept_however_many_rows_the_old_one_has():
    frame = evidence(
        {"fiscal_year": 2017, "fund_type_code": "1G", "row_count": 1000}, {"fiscal_year": 2018, "row_count": 1}
    )
    assert kept(frame, "fund_type") == ["GEN_FUND"]
    assert reasons(frame, "fund_type") == {"latest"}
    assert reasons(frame, "fund") == {"only"}


def test_within_the_latest_fiscal_year_most_rows_win():
    frame = evidence(
        {"fund_code": "STBL_ST", "row_count": 2},
        {"fund_code": "SU_STREETS", "row_count": 3},
        {"fiscal_year": 2019, "fund_code": "STBL_ST", "row_count": 50},
    )
    assert kept(frame, "fund") == ["SU_STREETS"]


def test_a_tie_goes_to_the_smaller_text():
    frame = evidence({"fund_code": "B"}, {"fund_code": "A"})
    assert kept(frame, "fund") == ["A"]
    assert reasons(frame, "fund") == {"tie"}


def test_the_same_name_below_other_parents_keeps_its_own_code():
    frame = evidence({"fund_type": "Trust", "fund_code": "X"}, {"fund_code": "Y", "fiscal_year": 2001})
    assert sorted(kept(frame, "fund")) == ["X", "Y"]


def test_the_mapping_as_a_table_tells_parents_chart_and_dollars():
    frame = evidence(
        {"fiscal_year": 2017, "fund_code": "1GAGF", "fund": "A > B", "revenue": 5},
        {"fund_code": "10000", "fund": "A > B"},
    )
    table = code_mapping({FUND: mapping(frame, FUND)}).set_index(["pair", "code"])
    assert table.loc[("fund", "1GAGF"), ["parents", "name", "chart"]].tolist() == ["General Fund", "A > B", "before"]
    assert table.loc[("fund", "10000"), ["chart", "kept_code", "reason"]].tolist() == ["since", "10000", "latest"]
    assert table.loc[("fund_type", "GEN_FUND"), ["parents", "chart", "revenue"]].tolist() == ["", "both", 5]
    assert table.loc[("fund_category", "1"), "parents"] == r"General Fund > A \> B"


def test_one_code_may_serve_several_names():
    frame = evidence({"fund": "One", "fund_code": "ADM"}, {"fund": "Two", "fund_code": "ADM"})
    assert kept(frame, "fund") == ["ADM", "ADM"]


def test_every_published_code_stays_in_the_mapping_with_its_years_and_rows():
    frame = evidence(
        {"fiscal_year": 1999, "fund_type_code": "1G", "row_count": 4},
        {"fiscal_year": 2017, "fund_type_code": "1G", "row_count": 5},
        {"row_count": 6},
    )
    mapped = mapping(frame, FUND)
    old = mapped[(mapped["level"] == "fund_type") & (mapped["code"] == "1G")].iloc[0]
    assert (old["first_fiscal_year"], old["last_fiscal_year"], old["row_count"], old["kept_code"]) == (
        1999,
        2017,
        9,
        "GEN_FUND",
    )


def test_the_dimension_carries_the_kept_code_at_every_level():
    frame = evidence(
        {"fiscal_year": 2017, "fund_type_code": "1G", "fund_code": "1GAGF"},
        {"fund_category": "Grants", "fund_category_code": "4"},
    )
    table = dimension_table(frame, mapping(frame, FUND), FUND)
    assert len(table) == 2
    assert set(table["fund_type_code"]) == {"GEN_FUND"}
    assert set(table["fund_code"]) == {"GEN_FUND~10000"}


names = st.sampled_from(["A", "a", "A ", "B", "É", "No Fund", '"', ","])
codes = st.sampled_from(["1", "01", "0", "NA", "1G", "GEN~1", ""])
rows = st.fixed_dictionaries(
    {
        "fiscal_year": st.integers(1999, 2003), "fund_type": names, "fund_type_code": codes, "fund": names,
        "fund_code": codes, "fund_category": names, "fund_category_code": codes, "row_count": st.integers(1, 3),
        "revenue": st.integers(-5, 5), "spending": st.integers(-5, 5),
    }
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(rows, min_size=1, max_size=30), st.randoms())
def test_on_any_hierarchy_the_mapping_is_a_function_that_keeps_all_codes_and_ignores_order(rows, random):
    frame = pd.DataFrame(rows)[COLUMNS]
    mapped = mapping(frame, FUND)
    shuffled = frame.sample(frac=1, random_state=random.randrange(2**32))
    pd.testing.assert_frame_equal(mapping(shuffled, FUND), mapped)
    for level in FUND.levels:
        path = [*FUND.parents(level), level]
        at_level = mapped[mapped["level"] == level]
        assert (at_level[kept_code(at_level)].groupby(path).size() == 1).all()
        published = frame[[*path, f"{level}_code"]].drop_duplicates()
        assert len(at_level) == len(published)
        for count in ("row_count", "revenue", "spending"):
            assert at_level[count].sum() == frame[count].sum()
    table = dimension_table(frame, mapped, FUND)
    again = frame.drop(columns=list(FUND.codes)).merge(table.drop(columns="fund_id"), on=list(FUND.key))[COLUMNS]
    pd.testing.assert_frame_equal(dimension_table(again, mapping(again, FUND), FUND), table)


def test_the_rule_agrees_with_a_plain_reading_of_it():
    """All small cases of two years, two codes and up to two rows each, against the rule written as a loop."""
    for counts in itertools.product(range(3), repeat=4):
        cells = dict(zip(itertools.product((2001, 2002), ("x", "y")), counts, strict=True))
        present = {cell: count for cell, count in cells.items() if count}
        if not present:
            continue
        latest = max(year for year, _ in present)
        expected = min((-count, code) for (year, code), count in present.items() if year == latest)[1]
        frame = evidence(
            *({"fiscal_year": year, "fund_code": code, "row_count": n} for (year, code), n in present.items())
        )
        assert kept(frame, "fund") == [expected]
