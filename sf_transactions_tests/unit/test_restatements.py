from collections import defaultdict
from decimal import Decimal

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from sf_transactions.transform.restatements import restatement
from sf_transactions_tests.rows import ROW, published

CHOICES = {
    "revenue_or_spending": ["Revenue", "Spending"],
    "amount": ["0", "1", "1.00", "-10242888.26", "37.1"],
    "program": ["Administration", "Water", None],
    "program_code": ["BAW", "BAX"],
    "fund": ["Water Operating Fund", "WATER  Operating Fund"],
}
rows = st.lists(st.fixed_dictionaries({name: st.sampled_from(values) for name, values in CHOICES.items()}), max_size=8)


def found(before: list[dict], after: list[dict]) -> list[tuple]:
    return list(restatement(published(*before), published(*after)).itertuples(index=False, name=None))


def totals(rows: list[dict]) -> dict[str, tuple[int, Decimal]]:
    sums: dict[str, tuple[int, Decimal]] = defaultdict(lambda: (0, Decimal(0)))
    for row in rows:
        full = ROW | row
        count, dollars = sums[full["revenue_or_spending"]]
        sums[full["revenue_or_spending"]] = (count + 1, dollars + Decimal(full["amount"]))
    return sums


def test_a_publication_of_the_same_rows_changes_nothing():
    assert (
        found([{}, {}, {"amount": "300"}], [{"amount": "300.00"}, {}, {"data_as_of": "2030-01-01T00:00:00.000"}]) == []
    )


def test_duplicates_cancel_out_one_for_one():
    assert found([{}, {}], [{}, {}, {}]) == [("Spending", "added", 1, Decimal("100.50"))]


def test_another_amount_is_a_row_removed_and_a_row_added():
    assert found([{"amount": "1"}], [{"amount": "2"}]) == [
        ("Spending", "added", 1, Decimal("2.00")),
        ("Spending", "removed", 1, Decimal("1.00")),
    ]


def test_the_same_money_under_another_code_or_name_of_the_same_place_is_relabelled():
    relabelled = [("Spending", "relabelled", 1, Decimal("100.50"))]
    assert found([{}], [{"character_code": "001"}]) == relabelled
    assert found([{}], [{"program": "ADMINISTRATION", "program_code": "X"}]) == relabelled
    assert found([{"department": None}], [{"department": "No longer null"}]) == relabelled


def test_the_same_money_in_another_place_is_moved():
    assert found([{}], [{"program": "Water", "program_code": "WTR"}]) == [("Spending", "moved", 1, Decimal("100.50"))]


def test_money_on_the_other_side_is_neither_moved_nor_relabelled():
    assert found([{}], [{"revenue_or_spending": "Revenue"}]) == [
        ("Revenue", "added", 1, Decimal("100.50")),
        ("Spending", "removed", 1, Decimal("100.50")),
    ]


def test_a_row_pairs_up_with_the_one_most_alike():
    before = [{"program_code": "A"}, {"program": "Water", "program_code": "WTR"}]
    after = [{"program_code": "B"}, {"program": "Fire", "program_code": "FIR"}]
    assert found(before, after) == [
        ("Spending", "moved", 1, Decimal("100.50")),
        ("Spending", "relabelled", 1, Decimal("100.50")),
    ]


def test_a_column_that_is_new_is_no_change():
    table = published({}, {})
    assert restatement(table, table.append_column("ledger", pa.array(["1", "2"]))).empty


@settings(deadline=None)
@given(rows, rows)
def test_added_less_removed_is_the_difference_of_the_totals(before, after):
    changes = {(side, change): (count, dollars) for side, change, count, dollars in found(before, after)}
    for side in ("Revenue", "Spending"):
        added = changes.get((side, "added"), (0, Decimal(0)))
        removed = changes.get((side, "removed"), (0, Decimal(0)))
        was, now = totals(before)[side], totals(after)[side]
        assert (added[0] - removed[0], added[1] - removed[1]) == (now[0] - was[0], now[1] - was[1])


@settings(deadline=None)
@given(rows, rows, st.randoms())
def test_the_order_of_the_rows_does_not_matter(before, after, random):
    expected = found(before, after)
    random.shuffle(before)
    random.shuffle(after)
    assert found(before, after) == expected
