import pyarrow as pa

from sf_transactions.model import FUND, PROGRAM, TYPE
from sf_transactions.transform.members import members
from sf_transactions_tests.rows import published


def frame(found):
    """A row a member."""
    return pa.table({**found.columns, "row_count": found.row_counts}).to_pandas()


def test_rows_that_agree_are_one_member_with_their_count():
    found = members(published({}, {"amount": "7"}, {"program": "Capital", "program_code": "CAP"}), PROGRAM)
    assert sorted(frame(found)["row_count"]) == [1, 2]
    assert frame(found)["program"].iloc[found.index[2]] == "Capital"
    assert found.index[0] == found.index[1]


def test_a_null_becomes_the_named_member_and_is_counted():
    rows = published({"program": None, "program_code": None}, {"program": None, "program_code": None}, {})
    found = members(rows, PROGRAM)
    row = frame(found).iloc[found.index[0]]
    assert (row["program"], row["program_code"]) == ("No Program", "No Program Code")
    assert found.filled == {"program": 2, "program_code": 2}


def test_a_row_without_a_department_is_kept_with_its_code():
    row = frame(members(published({"department": None, "department_code": "RDA"}), PROGRAM)).iloc[0]
    assert (row["department"], row["department_code"]) == ("No Department", "RDA")


def test_the_text_na_is_no_null():
    found = members(published({"program_code": "NA"}), PROGRAM)
    assert frame(found)["program_code"].tolist() == ["NA"]
    assert found.filled == {}


def test_codes_keep_their_zeros():
    found = frame(members(published({"object_code": "072", "sub_object_code": "00310"}), TYPE))
    assert found[["object_code", "sub_object_code"]].iloc[0].tolist() == ["072", "00310"]


def test_the_two_spellings_of_related_govt_units_are_one_member():
    found = members(published({"related_govt_units": "No"}, {"related_govt_units": "NO"}), PROGRAM)
    assert frame(found)["related_govt_units"].tolist() == ["No"]
    assert frame(found)["row_count"].tolist() == [2]
    assert found.index.tolist() == [0, 0]


def test_near_twin_names_stay_two_members():
    twins = published({"character": "Non Personnel Services"}, {"character": "Non-Personnel Services"})
    assert len(members(twins, TYPE).row_counts) == 2


def test_dictionary_encoded_columns_in_several_chunks_give_the_same_members():
    plain = published({}, {"fund": None}, {"fund": "Port Operating Fund"}, {})
    chunks = [plain.slice(0, 2), plain.slice(2)]
    encoded = pa.concat_tables(
        pa.table({name: chunk[name].dictionary_encode() for name in plain.column_names}) for chunk in chunks
    )
    expected, found = members(plain, FUND), members(encoded, FUND)
    assert frame(found).equals(frame(expected))
    assert found.index.tolist() == expected.index.tolist()


def test_no_rows_give_no_members():
    found = members(published(), PROGRAM)
    assert len(frame(found)) == 0
    assert list(frame(found).columns) == [*PROGRAM.columns, "row_count"]
