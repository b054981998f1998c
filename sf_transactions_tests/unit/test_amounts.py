from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sf_transactions.transform.amounts import AmountError, ControlTotal, cents, control_totals, dollars
from sf_transactions_tests.rows import published

WHOLE_CENTS = st.integers(-(10**18) + 1, 10**18 - 1)


@st.composite
def texts(draw):
    """An amount as the portal prints it, or with trailing zeros, and its whole cents."""
    whole = draw(WHOLE_CENTS)
    sign, (units, places) = "-" if whole < 0 else "", divmod(abs(whole), 100)
    spellings = [f"{units}.{places:02}"]
    if places % 10 == 0:
        spellings.append(f"{units}.{places // 10}")
    if places == 0:
        spellings.append(str(units))
    return sign + draw(st.sampled_from(spellings)), whole


@settings(deadline=None)
@given(st.lists(texts()))
@example([("9999999999999999.99", 10**18 - 1), ("-9999999999999999.99", -(10**18) + 1), ("-0", 0)])
def test_text_becomes_whole_cents_exactly(amounts):
    found = cents(pa.array([text for text, _ in amounts], pa.string()))
    assert found.dtype == np.int64
    assert found.tolist() == [whole for _, whole in amounts]


@settings(deadline=None)
@given(st.lists(st.lists(texts(), max_size=5), max_size=5), st.integers(0, 10), st.integers(0, 10))
def test_chunks_and_slices_change_nothing(chunks, start, length):
    chunked = pa.chunked_array([pa.array([text for text, _ in chunk], pa.string()) for chunk in chunks], pa.string())
    every = [whole for chunk in chunks for _, whole in chunk]
    assert cents(chunked.slice(start, length)).tolist() == every[start : start + length]
    assert cents(chunked.combine_chunks().slice(start, length)).tolist() == every[start : start + length]


@pytest.mark.parametrize(
    "value",
    [
        *("", " 1", "1 ", "1.", ".5", "1.234", "1,234.56", "1e3", "+1", "--1", "NaN", "$1", "0x1", "1\n", "\u0661"),
        "10000000000000000",
        None,
    ],
)
def test_what_is_no_amount_is_refused_with_its_position(value):
    with pytest.raises(AmountError) as error:
        cents(pa.chunked_array([["1", "2.5"], ["3", value, "nor this"]], pa.string()))
    assert (error.value.position, error.value.value) == (3, value)


@settings(deadline=None)
@given(st.text(max_size=6))
def test_every_text_is_either_exact_or_refused(text):
    try:
        (found,) = cents(pa.array([text]))
    except AmountError as error:
        assert error.position == 0
    else:
        assert Decimal(text) == dollars(int(found))


@settings(deadline=None)
@given(st.integers(-(10**26), 10**26))
def test_dollars_have_two_places_and_lose_nothing(whole):
    assert dollars(whole) * 100 == whole
    assert dollars(whole).as_tuple().exponent == -2


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["Revenue", "Spending"]), texts()), max_size=30))
def test_control_totals_count_and_sum_each_side(rows):
    table = published(*({"revenue_or_spending": side, "amount": text} for side, (text, _) in rows))
    expected = {
        side: ControlTotal(
            sum(of == side for of, _ in rows), sum((Decimal(text) for of, (text, _) in rows if of == side), Decimal(0))
        )
        for side in {side for side, _ in rows}
    }
    assert control_totals(table) == expected


def test_totals_beyond_64_bits_are_exact():
    table = published(*[{"amount": "9999999999999999.99"}] * 20)
    assert control_totals(table) == {"Spending": ControlTotal(20, Decimal("199999999999999999.80"))}


def test_totals_of_chunks_that_have_dictionaries_of_their_own_are_those_of_their_texts():
    sides = [["Revenue", "Spending"], ["Spending", "Revenue"]]
    chunks = pa.chunked_array([pa.array(chunk).dictionary_encode() for chunk in sides])
    table = pa.table({"revenue_or_spending": chunks, "amount": ["1", "2", "3", "4.5"]})
    assert control_totals(table) == {
        "Revenue": ControlTotal(2, Decimal("5.50")),
        "Spending": ControlTotal(2, Decimal("5.00")),
    }
