from decimal import Decimal

import pytest

from sf_transactions.model import HOPS, LOAD_RECEIPT
from sf_transactions.transform.amounts import ControlTotal
from sf_transactions.transform.receipt import Stored, lines

KEY = ("2025", "Spending")
STORED = {"2025": Stored(10, "ab")}


def totals(**changed: ControlTotal):
    every = dict.fromkeys(HOPS, ControlTotal(2, Decimal("5.00"))) | {"quarantined": ControlTotal(0, Decimal(0))}
    return {hop: {KEY: total} for hop, total in (every | changed).items()}


def test_a_receipt_without_a_difference_names_no_hop():
    (line,) = lines(totals(), STORED)
    assert line.first_difference == ""


@pytest.mark.parametrize("hop", ["raw", "star", "warehouse", "views"])
@pytest.mark.parametrize("other", [ControlTotal(1, Decimal("5.00")), ControlTotal(2, Decimal("5.01"))])
def test_the_first_hop_that_differs_is_named(hop, other):
    (line,) = lines(totals(**{hop: other}), STORED)
    assert line.first_difference == hop


def test_a_difference_that_is_carried_on_is_named_where_it_appears():
    lost = ControlTotal(1, Decimal("2.00"))
    (line,) = lines(totals(star=lost, warehouse=lost, views=lost), STORED)
    assert line.first_difference == "star"


def test_an_object_that_is_not_the_file_of_the_star_is_named_before_the_warehouse():
    (line,) = lines(totals(warehouse=ControlTotal(1, Decimal(1))), {"2025": Stored(10, "")})
    assert line.first_difference == "s3"


def test_what_was_set_apart_is_missing_in_raw():
    (line,) = lines(
        totals(portal=ControlTotal(3, Decimal("6.50")), quarantined=ControlTotal(1, Decimal("1.50"))), STORED
    )
    assert line.first_difference == ""
    assert len(line.row()) + 2 == len(LOAD_RECEIPT.columns)


def test_a_side_that_only_one_hop_knows_has_a_line():
    known = totals()
    known["views"][("2025", "Sideways")] = ControlTotal(1, Decimal(1))
    assert [line.first_difference for line in lines(known, STORED)] == ["views", ""]
