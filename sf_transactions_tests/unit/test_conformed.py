import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sf_transactions.model import FINANCE, PROGRAM, SIDES
from sf_transactions.transform.conformed import RULES, forms, labels, members_seen, twin_key
from sf_transactions.transform.keys import surrogate_key
from sf_transactions.transform.star import finance_table, sides_seen


def level(*names: tuple[str, int, int]) -> pd.DataFrame:
    return pd.DataFrame(names, columns=["character", "fiscal_year", "row_count"])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Charges For Services", "Charges for Services"),
        ("Non Personnel Services", "Non-Personnel Services"),
        ("ADM General  Services Agency", "ADM General Services Agency"),
        ("CafÃ©", "Café"),
        ("Cafe\u0301", "Café"),
        ("Children's Baseline", "Children\u2019s Baseline"),
        ("Overhead and Allocations", "Overhead & Allocations"),
        ("Social Sec-Medicare(HI Only)", "Social Sec - Medicare (HI Only)"),
    ],
)
def test_near_twins_share_a_key(one, other):
    assert twin_key(one) == twin_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Grants", "Grants Projects"),
        ("Bond 2002-A", "Bond 2002-B"),
        ("Fund 1.5", "Fund 15"),
        ("Gain (+)", "Gain (-)"),
        ("-", "."),
    ],
)
def test_different_names_share_none(one, other):
    assert twin_key(one) != twin_key(other)


def test_the_label_is_the_twin_published_last_repaired_and_the_rule_says_what_set_a_name_apart():
    found = labels(
        level(
            ("Charges For Services", 2017, 900), ("Charges  for Services", 2018, 5), ("Salaries", 2018, 5),
            ("SALARIES", 2018, 4), ("CafÃ©", 2018, 1), ("Non Personnel Services", 2017, 3),
            ("Non-Personnel Services", 2018, 3),
        ),
        "character",
    )  # fmt: skip
    assert found == {
        "Charges For Services": ("Charges for Services", "casing"),
        "Charges  for Services": ("Charges for Services", "spacing"),
        "Salaries": ("Salaries", "as_published"),
        "SALARIES": ("Salaries", "casing"),
        "CafÃ©": ("Café", "encoding"),
        "Non Personnel Services": ("Non-Personnel Services", "punctuation"),
        "Non-Personnel Services": ("Non-Personnel Services", "as_published"),
    }


def test_every_member_has_its_id_its_years_and_a_label_for_each_level():
    rows = [
        ("Group", "DPW GSA", "Operating", "No", 2001, 5),
        ("Group", "DPW GSA", "Operating", "No", 2018, 5),
        ("Group", "DPW  GSA", "Operating", "No", 2003, 5),
    ]
    seen = members_seen(pd.DataFrame(rows, columns=[*PROGRAM.key, "fiscal_year", "row_count"]), PROGRAM)
    assert len(seen) == 2
    twin = seen[seen["member_id"] == surrogate_key("program", ("Group", "DPW  GSA", "Operating", "No"))].iloc[0]
    assert twin.tolist()[2:] == [2003, 2003, "Operating", "DPW GSA", "Group", "department: spacing"]
    other = seen[seen["member_id"] != twin["member_id"]].iloc[0]
    assert other.tolist()[2:] == [2001, 2018, "Operating", "DPW GSA", "Group", "as_published"]


def test_the_sides_of_the_books_are_members_too():
    evidence = pd.DataFrame({"fiscal_year": [2001, 2002], "revenue": [0, 5], "spending": [3, -4]})
    seen = members_seen(sides_seen(evidence), FINANCE)
    assert set(seen["member_id"]) == set(finance_table()["finance_id"])
    assert seen.set_index("conformed_label").loc[SIDES[0], "first_fiscal_year"] == 2002


@given(st.text(max_size=20))
@example("\u00c2\x1f0")
def test_a_label_is_its_own_label(name):
    label = forms(name)[RULES.index("spacing")]
    assert twin_key(label) == twin_key(name)
    assert forms(label)[RULES.index("spacing")] == label


@given(
    st.lists(st.tuples(st.text("aA- é", max_size=4), st.integers(1999, 2002), st.integers(1, 3)), min_size=1),
    st.randoms(),
)
def test_labels_group_names_whatever_their_order(names, random):
    found = labels(level(*names), "character")
    shuffled = random.sample(names, len(names))
    assert labels(level(*shuffled), "character") == found
    assert set(found) == {name for name, _, _ in names}
    for one, (label, _) in found.items():
        for other, (theirs, _) in found.items():
            assert (label == theirs) == (twin_key(one) == twin_key(other))
