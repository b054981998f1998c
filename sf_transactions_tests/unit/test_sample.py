import pyarrow.compute as pc
import pytest

from sf_transactions.local.sample import generate
from sf_transactions.model import CODED_DIMENSIONS, PUBLISHED_NAMES
from sf_transactions.transform.amounts import cents, cents_by_side
from sf_transactions.transform.codes import evidence, mapping
from sf_transactions.transform.members import members


@pytest.fixture(scope="module", params=[2_000, 40_000])
def sample(request):
    return generate(request.param)


def values(sample, column: str) -> set:
    return set(sample[column].to_pylist())


def test_it_has_the_published_columns_in_order_as_text(sample):
    assert tuple(sample.column_names) == PUBLISHED_NAMES
    assert {str(kind) for kind in sample.schema.types} == {"string"}


def test_the_same_seed_gives_the_same_rows_and_another_seed_others():
    assert generate(2_000).equals(generate(2_000))
    assert not generate(2_000, seed=1).equals(generate(2_000))


def test_every_fiscal_year_has_rows_and_the_newest_has_few(sample):
    years = {row["values"]: row["counts"] for row in pc.value_counts(sample["fiscal_year"]).to_pylist()}
    assert sorted(years) == [str(year) for year in range(1999, 2028)]
    assert years["2027"] == min(years.values())


def test_the_spelling_of_related_govt_units_changes_with_the_chart(sample):
    before = sample.filter(pc.less(sample["fiscal_year"], "2018"))
    since = sample.filter(pc.greater_equal(sample["fiscal_year"], "2018"))
    assert values(before, "related_govt_units") == {"No", "Yes"} or len(sample) < 40_000
    assert "NO" in values(since, "related_govt_units")


@pytest.mark.parametrize(
    "together",
    [
        ("program", "program_code"),
        ("character", "object_code", "object", "sub_object"),
        ("fund_category", "fund_category_code"),
    ],
)
def test_nulls_stand_together(sample, together):
    first, *others = (sample[name].is_null() for name in together)
    assert pc.any(first).as_py()
    assert all(other.equals(first) for other in others)


def test_a_row_without_an_account_carries_the_placeholder_codes(sample):
    rows = sample.filter(sample["character"].is_null())
    assert values(rows, "character_code") == {"NKE"}
    assert values(rows, "sub_object_code") == {"NKEY"}


def test_one_department_has_no_name_and_the_code_rda(sample):
    rows = sample.filter(sample["department"].is_null())
    assert rows["department_code"].to_pylist() == ["RDA"]


def test_names_carry_several_codes_at_several_levels(sample):
    broken = set()
    for dimension in CODED_DIMENSIONS:
        mapped = mapping(evidence(members(sample, dimension), cents_by_side(sample), 2025), dimension)
        codes = mapped.groupby(["level", *dimension.levels], dropna=False).size()
        broken |= {key[0] for key, count in codes.items() if count > 1}
    assert broken >= {"department", "program", "character", "object", "fund_type", "fund"}


def test_codes_serve_several_names_keep_zeros_and_look_like_nulls(sample):
    names = {row["department"] for row in sample.to_pylist() if row["department_code"] == "BOS"}
    assert names == {"BOS Board of Supervisors", "BOS Board Of Supervisors"}
    assert any(code.startswith("0") for code in values(sample, "object_code") if code)
    assert {"0"} <= values(sample, "fund_category_code")
    assert "NA" in values(sample, "program_code")


def test_near_twins_stand_side_by_side(sample):
    assert {"Non Personnel Services", "Non-Personnel Services"} <= values(sample, "character")
    assert {"Charges For Services", "Charges for Services"} <= values(sample, "character")


def test_names_have_what_breaks_careless_readers(sample):
    text = "".join(filter(None, values(sample, "program") | values(sample, "department")))
    assert all(mark in text for mark in "\"',&é")
    assert any("  " in (name or "") for name in values(sample, "department"))


def test_amounts_are_plain_decimals_with_zeros_negatives_and_transfer_adjustments(sample):
    whole = cents(sample["amount"])
    assert (whole == 0).any() and (whole < 0).any() and (whole % 100 != 0).any()
    assert not any("." in amount and amount.endswith("0") for amount in sample["amount"].to_pylist())
    for code, side in (("ELS", "Revenue"), ("ELU", "Spending")):
        rows = sample.filter(pc.equal(sample["character_code"], code))
        assert values(rows, "revenue_or_spending") == {side}
        assert (cents(rows["amount"]) < 0).all()


def test_some_rows_agree_on_everything(sample):
    rows = [tuple(row.values()) for row in sample.to_pylist()]
    assert len(set(rows)) < len(rows)
