import re
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pytest
from isal import igzip

from sf_transactions.resources.home import HomeError
from sf_transactions.resources.parts import read_part, write_part

TYPES = {"type_id": pa.int64(), "code": pa.string(), "amount": pa.decimal128(18, 2)}
FRAME = pd.DataFrame({"type_id": [1, 2], "code": ["007", ""], "amount": [-5, 123456789012345678]})


def test_a_part_is_read_as_it_was_written_codes_with_their_zeros_and_dollars_with_their_cents(tmp_path):
    part = tmp_path / "part-000.csv.gz"
    write_part(part, FRAME)
    assert read_part(part, TYPES).to_pylist() == [
        {"type_id": 1, "code": "007", "amount": Decimal("-0.05")},
        {"type_id": 2, "code": "", "amount": Decimal("1234567890123456.78")},
    ]


def test_the_same_rows_are_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        write_part(tmp_path / name, FRAME)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    "damaged",
    [
        lambda whole: whole[:-20],
        lambda whole: whole[:12] + bytes(byte ^ 255 for byte in whole[12:]),
        lambda whole: b"",
        lambda whole: b"type_id,code,amount\n1,007,5.00\n",
        lambda whole: igzip.compress(b"type_id,code\n1,007\n"),
        lambda whole: igzip.compress(b"type_id,code,amount\none,007,5.00\n"),
    ],
    ids=["cut", "altered", "empty", "not compressed", "a column is missing", "no number"],
)
def test_a_part_that_is_damaged_is_named_with_what_to_do(tmp_path, damaged):
    part = tmp_path / "part-000.csv.gz"
    write_part(part, FRAME)
    part.write_bytes(damaged(part.read_bytes()))
    with pytest.raises(HomeError, match=f"^{re.escape(str(part))} is damaged .*materialize star/"):
        read_part(part, TYPES)
