from sf_transactions.transform.form import outside
from sf_transactions_tests.rows import published


def test_rows_of_the_known_form_have_no_reason():
    good = ({}, {"amount": "-4477861107.15", "related_govt_units": "Yes"}, {"revenue_or_spending": "Revenue"})
    assert outside(published(*good)).to_pylist() == [None] * 3


def test_of_several_faults_one_is_told_and_other_rows_are_untouched():
    rows = published({}, {"amount": "1e5", "fiscal_year": "25"}, {"fiscal_year": None})
    assert outside(rows).to_pylist() == [
        None,
        "fiscal_year '25' is no year of four digits",
        "fiscal_year null is no year of four digits",
    ]


def test_an_amount_that_decimal_18_2_does_not_hold_is_outside():
    rows = published({"amount": "12345678901234567"}, {"amount": "1234567890123456.78"}, {"amount": "1."})
    told = outside(rows).to_pylist()
    assert told[1] is None
    assert told[0] == "amount '12345678901234567' is no number of dollars with at most two decimals"
    assert told[2] == "amount '1.' is no number of dollars with at most two decimals"
