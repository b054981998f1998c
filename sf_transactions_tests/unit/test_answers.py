"""Answers in CSV as the portal writes them."""

import io

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sf_transactions.resources.answers import Body, Garbled, read_csv

VALUES = st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
LINES = st.integers(2, 4).flatmap(lambda columns: st.lists(st.lists(VALUES, min_size=columns, max_size=columns)))


class Response:
    """A body of these bytes, as urllib3 gives it."""

    def __init__(self, content: bytes) -> None:
        self.content = io.BytesIO(content)

    def read1(self, size: int) -> bytes:
        return self.content.read1(size)


def answer(text: str):
    return read_csv(Body(Response(text.encode()), lambda: None))


def written(lines: list[list[str | None]], columns: int) -> str:
    header = ",".join(f'"column_{number}"' for number in range(columns))
    quoted = (
        ",".join("" if value is None else f'"{value.replace(chr(34), chr(34) * 2)}"' for value in line)
        for line in lines
    )
    return "\n".join([header, *quoted, ""])


@given(LINES)
def test_few_rows_are_read_as_arrow_reads_them(lines):
    columns = len(lines[0]) if lines else 2
    text = written(lines, columns)
    rows = answer(text).rows()
    assert [list(row.values()) for row in rows] == lines
    batches = list(answer(text).batches())
    names = [f"column_{number}" for number in range(columns)]
    assert (pa.Table.from_batches(batches).to_pylist() if batches else []) == rows
    assert all(list(row) == names for row in rows)


def test_values_without_quotes_are_read_as_arrow_reads_them():
    text = 'a,b\r\n1999,5" pipe\r\n,x\r\n'
    assert answer(text).rows() == pa.Table.from_batches(answer(text).batches()).to_pylist()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('"a","b"\n"1","2"\n"3"\n', "columns of the first line"),
        ('"a","b"\n"1","2","3"\n', "columns of the first line"),
        ('"a","b"\n"1","2\n', "columns of the first line"),
        ('"a","b"\n"1"2,"3"\n', "columns of the first line"),
        ('"a","b"\n"1","2"', "middle of a line"),
        ('"a","a"\n', "two columns of one name"),
        ("", "empty body"),
    ],
)
def test_an_answer_that_is_cut_or_garbled_is_told(text, said):
    with pytest.raises(Garbled, match=said):
        answer(text).rows()


def test_a_long_value_that_never_ends_takes_no_time():
    with pytest.raises(Garbled):
        answer('"a","b"\n"' + "x" * 5_000_000 + "\n").rows()
