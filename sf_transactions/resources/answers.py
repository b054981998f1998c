"""What a Socrata portal sends: bodies as they arrive, and the CSV in them."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    import urllib3

BLOCK = 1 << 19  # bytes of CSV that are parsed at once
READ = 1 << 15  # bytes that are decompressed at once
# A value, with quotes or without, and what ends it.
_VALUE = re.compile(r'(?:"((?:[^"]|"")*+)"|((?!")[^,\r\n]*))(,|\r?\n)')


class Garbled(Exception):
    """An answer that is cut or unreadable: worth asking for again."""


@dataclass(frozen=True)
class Answer:
    """The columns of a CSV answer and its rows as they arrive, all text: every value is quoted, null is an empty field
    without quotes."""

    names: list[str]
    _stream: "io.BufferedReader[Any]"
    _body: "Body"

    def batches(self) -> "Iterator[pa.RecordBatch]":
        """Dictionary-encoded batches of rows. Raises Garbled, at the end where the answer is cut."""
        import pyarrow as pa
        import pyarrow.csv

        try:
            if self._stream.peek(1):
                with pyarrow.csv.open_csv(
                    self._stream,
                    read_options=pyarrow.csv.ReadOptions(column_names=self.names, block_size=BLOCK, use_threads=False),
                    parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
                    convert_options=pyarrow.csv.ConvertOptions(
                        column_types=dict.fromkeys(self.names, TEXT()),
                        null_values=[""],
                        strings_can_be_null=True,
                        quoted_strings_can_be_null=False,
                    ),
                ) as reader:
                    yield from reader
        except pa.ArrowInvalid as error:
            raise Garbled(str(error).splitlines()[0][:300]) from None
        self._whole()

    def rows(self) -> list[dict[str, str | None]]:
        """The same rows at once, of an answer that has few: most runs ask for no more, and need not load Arrow, which
        takes longer than they do. Raises Garbled."""
        text = self._stream.read().decode("utf-8", "replace")
        self._whole()
        rows: list[list[str | None]] = [[]]
        end = 0
        while value := _VALUE.match(text, end):
            quoted, plain, separator = value.groups()
            rows[-1].append(plain or None if quoted is None else quoted.replace('""', '"'))
            if separator != ",":
                rows.append([])
            end = value.end()
        if end != len(text) or rows.pop() or any(len(row) != len(self.names) for row in rows):
            raise Garbled(f"a row that has not the {len(self.names)} columns of the first line")
        return [dict(zip(self.names, row, strict=True)) for row in rows]

    def _whole(self) -> None:
        if self._body.last != b"\n":
            raise Garbled("the body stops in the middle of a line")


class Body(io.RawIOBase):
    """The body of an answer, decompressed, as far as it has arrived."""

    def __init__(self, response: "urllib3.BaseHTTPResponse", check: Callable[[], None]) -> None:
        self._response, self._check = response, check
        self.last = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._check()
        found = self._response.read1(min(len(buffer), READ))
        buffer[: len(found)] = found
        self.last = found[-1:] or self.last
        return len(found)


def TEXT() -> "pa.DataType":
    """What a value is in memory: an index into the few texts that a column has."""
    import pyarrow as pa

    return pa.dictionary(pa.int32(), pa.string())


def read_csv(body: Body) -> Answer:
    """An answer, of which the first line is read. Raises Garbled."""
    stream = io.BufferedReader(body, BLOCK)
    header = stream.readline().decode("utf-8-sig", "replace").strip()
    names = next(csv.reader([header]), [])
    if not names:
        raise Garbled("an empty body")
    if len(names) != len(set(names)):
        raise Garbled(f"two columns of one name: {', '.join(names)}"[:300])
    return Answer(names, stream, body)
