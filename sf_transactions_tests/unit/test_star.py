import pandas as pd
import pytest

from sf_transactions.model import FINANCE, PROGRAM
from sf_transactions.transform.keys import row_keys, surrogate_key
from sf_transactions.transform.star import UnexpectedFiscalYear, facts, finance_table
from sf_transactions_tests.rows import ROW, published

ROWS = (
    {}, {}, {"amount": "-3"}, {"program": None, "program_code": None},
    {"revenue_or_spending": "Revenue", "amount": "0"}, {"fund": "Port Operating Fund"},
)  # fmt: skip


def transactions(table, fiscal_year: int) -> pd.DataFrame:
    return facts(table, fiscal_year).transaction


def test_every_row_arrives_with_its_cents():
    frame = transactions(published(*ROWS), 2025)
    assert len(frame) == len(ROWS)
    assert sorted(frame["amount"]) == sorted([10050, 10050, -300, 10050, 0, 10050])


def test_the_order_of_rows_changes_nothing():
    expected = transactions(published(*ROWS), 2025)
    pd.testing.assert_frame_equal(transactions(published(*reversed(ROWS)), 2025), expected)


def test_identical_rows_have_different_ids():
    frame = transactions(published({}, {}, {}), 2025)
    assert frame["transaction_id"].nunique() == 3


def test_an_id_does_not_depend_on_the_other_rows_of_the_year():
    alone = transactions(published({"amount": "-3"}), 2025)["transaction_id"][0]
    assert alone in set(transactions(published(*ROWS), 2025)["transaction_id"])


def test_the_same_row_in_another_fiscal_year_has_another_id():
    other = transactions(published({"fiscal_year": "2024"}), 2024)["transaction_id"][0]
    assert other != transactions(published({}), 2025)["transaction_id"][0]


def test_a_changed_code_changes_no_id():
    recoded = {name: f"{value}X" for name, value in ROW.items() if name.endswith("_code")}
    pd.testing.assert_frame_equal(transactions(published(recoded), 2025), transactions(published({}), 2025))


def test_the_program_key_is_made_of_names_and_related_govt_units():
    values = (ROW["organization_group"], ROW["department"], ROW["program"], "No")
    assert transactions(published({}), 2025)["program_id"][0] == surrogate_key(PROGRAM.name, values)
    assert surrogate_key(PROGRAM.name, (*values[:3], "Yes")) != surrogate_key(PROGRAM.name, values)


def test_keys_are_the_same_on_any_machine():
    """Golden values: a change of the hash would orphan every loaded row."""
    import numpy as np

    assert surrogate_key("fund", ("General Fund", "GF Annual Account Ctrl", "Operating")) == 1228130756981442320
    assert row_keys([np.array([2025, -1]), np.array([1, 2])]).tolist() == [6791544571679151000, 2943118479342170790]


def test_a_row_of_another_fiscal_year_in_the_partition_is_an_error_that_names_it():
    with pytest.raises(UnexpectedFiscalYear, match="2024"):
        transactions(published({}, {"fiscal_year": "2024"}), 2025)


def test_no_rows_give_an_empty_fact():
    assert len(transactions(published(), 2025)) == 0


def test_finance_has_both_sides_always():
    assert finance_table()[FINANCE.levels[0]].tolist() == ["Revenue", "Spending"]


def test_every_transaction_leads_to_the_codes_it_was_published_under():
    recoded = {"fund_code": "5WAAA-OLD", "program_code": None}
    found = facts(published({}, recoded, {}), 2025)
    assert len(found.published_codes) == 2
    joined = found.transaction_published.merge(found.published_codes, on="published_id", validate="many_to_one")
    assert set(joined["transaction_id"]) == set(found.transaction["transaction_id"])
    assert sorted(joined["fund_code"]) == [ROW["fund_code"], ROW["fund_code"], "5WAAA-OLD"]
    assert set(joined.loc[joined["fund_code"] == "5WAAA-OLD", "program_code"]) == {"No Program Code"}


def test_the_id_of_published_codes_depends_on_the_codes_alone():
    other = {"fiscal_year": "2024", "program": "Another", "amount": "7"}
    ours, theirs = facts(published({}), 2025), facts(published(other), 2024)
    pd.testing.assert_frame_equal(ours.published_codes, theirs.published_codes)


def test_which_of_two_identical_rows_has_which_codes_does_not_depend_on_their_order():
    rows = [{}, {"fund_code": "X"}, {"fund_code": "Y"}]
    expected = facts(published(*rows), 2025).transaction_published
    pd.testing.assert_frame_equal(facts(published(*reversed(rows)), 2025).transaction_published, expected)
