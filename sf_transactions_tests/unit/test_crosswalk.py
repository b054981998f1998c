import pandas as pd
import pytest

from sf_transactions.local.sample import generate
from sf_transactions.model import CHART_CHANGE, CODED_DIMENSIONS, TYPE
from sf_transactions.transform.amounts import cents_by_side
from sf_transactions.transform.codes import evidence
from sf_transactions.transform.crosswalk import PAIRS, coverage, crosswalk, not_matched
from sf_transactions.transform.members import members

PLAIN = {
    "fiscal_year": 2010, "character": "Salaries", "character_code": "501", "object": "Permanent", "object_code": "011",
    "sub_object": "Regular", "sub_object_code": "501010", "row_count": 1, "revenue": 0, "spending": 100,
}  # fmt: skip
NEW = {"fiscal_year": 2020, "character_code": "SALARIES", "object_code": "PERM"}


def types(*changes: dict) -> pd.DataFrame:
    return crosswalk({TYPE: pd.DataFrame([PLAIN | change for change in changes])})


def row(found: pd.DataFrame, pair: str, code: str) -> dict:
    (one,) = found[(found["pair"] == pair) & (found["old_code"] == code)].to_dict("records")
    return one


def test_a_code_is_matched_by_name_members_and_dollars():
    found = row(types({}, NEW), "character", "501")
    assert (found["new_code"], found["status"], found["label"]) == ("SALARIES", "matched", "Salaries")
    assert [found[name] for name in ("same_code", "same_name", "same_below", "dollars_covered")] == [0, 100, 100, 100]
    assert found["row_count"] == 1 and found["spending"] == 100


def test_a_code_is_matched_by_what_lies_below_it_under_another_name():
    new = NEW | {"character": "Pay of Staff", "object": "Perm Pay"}
    other = NEW | {"character": "Aid", "character_code": "AID", "sub_object": "Aid", "sub_object_code": "536000"}
    found = row(types({}, new, other), "character", "501")
    assert (found["new_code"], found["status"]) == ("SALARIES", "matched")
    assert found["same_name"] == 0


def test_a_code_on_both_sides_of_the_change_stands_for_itself():
    found = row(types({}, NEW | {"sub_object": "Perm Salaries-Regular"}), "sub_object", "501010")
    assert (found["new_code"], found["same_code"]) == ("501010", 100)


def test_a_similar_label_alone_is_no_match_but_told():
    new = {
        "fiscal_year": 2020, "character": "Salarys", "character_code": "SALARYS", "object": "X", "object_code": "X",
        "sub_object": "X", "sub_object_code": "X",
    }  # fmt: skip
    found = row(types({}, new), "character", "501")
    assert (found["new_code"], found["status"]) == ("", "unmatched")
    assert found["candidates"].startswith("SALARYS (")


def test_where_two_new_codes_come_out_alike_none_is_guessed():
    twice = [NEW | {"sub_object_code": code} for code in ("A", "B")]
    found = row(types({"sub_object_code": "OLD"}, *twice), "sub_object", "OLD")
    assert (found["new_code"], found["status"]) == ("", "ambiguous")
    assert "A (" in found["candidates"] and "B (" in found["candidates"]


def test_a_code_that_was_there_before_stands_for_itself_and_gives_way_to_one_that_was_not():
    stays = {"sub_object_code": "STAYS"}
    found = types({"sub_object_code": "OLD"}, stays, NEW | stays, NEW | {"sub_object_code": "NEW"})
    assert row(found, "sub_object", "OLD")["new_code"] == "NEW"
    assert row(found, "sub_object", "STAYS")["new_code"] == "STAYS"
    alone = types({"sub_object_code": "OLD"}, stays, NEW | stays)
    assert row(alone, "sub_object", "OLD")["new_code"] == "STAYS"


def test_what_has_no_counterpart_is_listed_and_counted():
    lost = {"character": "Gone", "character_code": "999", "sub_object": "Gone", "sub_object_code": "999999"}
    found = types({"spending": -300}, NEW, lost | {"object": "Gone", "object_code": "999"})
    assert row(found, "character", "999")["status"] == "unmatched"
    character = coverage(found).set_index("pair").loc["character"]
    assert character.tolist() == [2, 50.0, 50.0, 75.0]
    listed = not_matched(found)
    assert listed[["pair", "old_code", "dollars"]].values.tolist()[0] == ["character", "999", "1.00"]
    assert set(listed["status"]) == {"unmatched"}


@pytest.mark.parametrize("changes", [[{}], [NEW]], ids=["before", "since"])
def test_one_chart_alone_has_nothing_to_match(changes):
    found = types(*changes)
    assert set(found["status"]) <= {"unmatched"}
    assert len(found) == (3 if changes == [{}] else 0)


def test_every_old_code_of_the_sample_is_there_once_whatever_the_order_of_rows():
    table = generate(8_000)
    found = {}
    for dimension in CODED_DIMENSIONS:
        years = [
            evidence(members(rows, dimension), cents_by_side(rows), year)
            for year in (2016, 2017, 2018, 2019)
            for rows in [table.filter([value == str(year) for value in table["fiscal_year"].to_pylist()])]
        ]
        found[dimension] = pd.concat(years, ignore_index=True)
    crossed = crosswalk(found)
    assert not crossed.duplicated(["pair", "old_code"]).any()
    for dimension, frame in found.items():
        old = frame[frame["fiscal_year"] < CHART_CHANGE]
        for level in set(dimension.levels) & set(PAIRS):
            assert set(crossed.loc[crossed["pair"] == level, "old_code"]) == set(old[f"{level}_code"])
            assert crossed.loc[crossed["pair"] == level, "row_count"].sum() == old["row_count"].sum()
    known = crossed.set_index(["pair", "old_code"])["new_code"]
    assert known["character", "513"] == "MAND_FRING_BEN"
    assert known["character", "460"] == "CHGS_FOR_SERVICES"
    assert known["department", "DSS"] == "HSA"
    assert known["fund_type", "1G"] == "GEN_FUND"
    shuffled = {dimension: frame.sample(frac=1, random_state=1) for dimension, frame in found.items()}
    pd.testing.assert_frame_equal(crosswalk(shuffled), crossed)
