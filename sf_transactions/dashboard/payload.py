"""What a page carries, as text: binary data compressed and written in 7-bit characters, and back.

A gzip stream in base64 grows by a third; in seven bits a character it grows by a sixth, and the page stays valid UTF-8.
Three characters cannot stand in a script element and are written as others: NUL, carriage return and `<`.
"""

import json
import zlib
from typing import TYPE_CHECKING, Any

from sf_transactions.dashboard.facts import Facts, hierarchy
from sf_transactions.model import CODED_DIMENSIONS, SIDES

if TYPE_CHECKING:
    import numpy as np

FORBIDDEN = {0x00: 0xA1, 0x0D: 0xA2, 0x3C: 0xA3}


def to_text(data: bytes) -> str:
    """Bytes as characters of seven bits each, the last one filled up with zeros."""
    import numpy as np

    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    sevens = np.concatenate([bits, np.zeros(-len(bits) % 7, np.uint8)]).reshape(-1, 7)
    return (np.packbits(sevens, axis=1)[:, 0] >> 1).tobytes().decode("ascii").translate(FORBIDDEN)


def from_text(text: str) -> bytes:
    """The inverse of `to_text`."""
    import numpy as np

    plain = text.translate({written: code for code, written in FORBIDDEN.items()}).encode("ascii")
    bits = np.unpackbits(np.frombuffer(plain, np.uint8).reshape(-1, 1), axis=1)[:, 1:].ravel()
    return np.packbits(bits[: len(bits) // 8 * 8]).tobytes()


def compressed(data: bytes) -> str:
    """As gzip, in seven bits a character. Z_FILTERED, made for data of small numbers and few repeated strings, is
    smaller here than level 9 and takes a sixth of its time."""
    stream = zlib.compressobj(6, zlib.DEFLATED, 31, 9, zlib.Z_FILTERED)
    return to_text(stream.compress(data) + stream.flush())


def expanded(text: str) -> bytes:
    """The inverse of `compressed`."""
    return zlib.decompress(from_text(text), 31)


def encode(facts: Facts, about: dict[str, Any]) -> bytes:
    """A header (its length in 4 bytes, then JSON with `about` in it) and the columns, each as planes of bytes, lowest
    first.

    Members are differences to the row before within the same fiscal year, side and members to the left, which the
    order makes small and never negative; cents are interleaved by sign (0, -1, 1, -2, ...).
    """
    import numpy as np

    starts = np.zeros(len(facts.cents), bool)
    starts[np.concatenate([[0], np.cumsum(facts.rows_of)[:-1]])[facts.rows_of > 0].astype(int)] = True
    columns, widths = [], {}
    for dimension in CODED_DIMENSIONS:
        column = facts.members[dimension.name]
        steps = np.where(starts, column, np.diff(column, prepend=0))
        widths[dimension.name] = _width(column)
        columns += _planes(steps, widths[dimension.name])
        starts = starts | (steps > 0)
    signed = (facts.cents << 1) ^ (facts.cents >> 63)
    widths["amount"] = _width(signed.view(np.uint64))
    columns += _planes(signed, widths["amount"])
    header = json.dumps(
        {
            **about,
            "years": facts.years,
            "sides": SIDES,
            "rows": len(facts.cents),
            "rows_of": facts.rows_of.tolist(),
            "widths": widths,
            "hierarchies": {
                dimension.name: hierarchy(dimension, facts.frames[dimension.name]) for dimension in CODED_DIMENSIONS
            },
        },
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()
    return b"".join([len(header).to_bytes(4, "little"), header, *columns])


def decode(data: bytes) -> tuple[dict[str, Any], dict[str, "np.ndarray"]]:
    """The header and the columns (members by dimension, `amount` in cents): the inverse of `encode`, as the page does
    it in JavaScript."""
    import numpy as np

    length = int.from_bytes(data[:4], "little")
    header = json.loads(data[4 : 4 + length])
    position, rows = 4 + length, header["rows"]
    raw = {}
    for name, width in header["widths"].items():
        planes = np.frombuffer(data, np.uint8, rows * width, position).reshape(width, rows).astype(np.uint64)
        raw[name] = (planes << (8 * np.arange(width, dtype=np.uint64))[:, None]).sum(axis=0, dtype=np.uint64)
        position += rows * width
    starts = np.zeros(rows, bool)
    counts = np.array(header["rows_of"], np.int64)
    starts[np.concatenate([[0], np.cumsum(counts)[:-1]])[counts > 0].astype(int)] = True
    columns = {}
    for dimension in CODED_DIMENSIONS:
        steps = raw[dimension.name].astype(np.int64)
        sums = np.cumsum(steps)
        base = np.maximum.accumulate(np.where(starts, np.arange(rows), 0)) if rows else np.zeros(0, np.int64)
        columns[dimension.name] = sums - sums[base] + steps[base]
        starts = starts | (steps > 0)
    signed = raw["amount"]
    columns["amount"] = (signed >> np.uint64(1)).view(np.int64) ^ -(signed & np.uint64(1)).view(np.int64)
    return header, columns


def _width(column: "np.ndarray") -> int:
    """How many bytes the largest value takes."""
    return max(1, (int(column.max(initial=0)).bit_length() + 7) // 8)


def _planes(column: "np.ndarray", width: int) -> list[bytes]:
    import numpy as np

    return list(map(bytes, np.ascontiguousarray(column.astype("<i8").view(np.uint8).reshape(-1, 8)[:, :width].T)))
