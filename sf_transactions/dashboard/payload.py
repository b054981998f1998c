"""What a page carries, as text: binary data compressed and written in 7-bit characters, and back.

A gzip stream in base64 grows by a third; in seven bits a character it grows by a sixth, and the page stays valid UTF-8.
Three characters cannot stand in a script element and are written as others: NUL, carriage return and `<`.
"""

import json
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from sf_transactions.dashboard.facts import Facts, hierarchy
from sf_transactions.model import CODED_DIMENSIONS, SIDES

if TYPE_CHECKING:
    import numpy as np

FORBIDDEN = bytes([0x00, 0x0D, 0x3C]), bytes([0xA1, 0xA2, 0xA3])
WRITTEN, READ = bytes.maketrans(*FORBIDDEN), bytes.maketrans(*reversed(FORBIDDEN))
# Two halves of a word, each with an eighth of its bits unused, become one and back: bits of a half, bits used of them,
# and the used bits of all lower halves in a word of eight bytes.
HALVES = tuple(
    (half, bits, sum(((1 << bits) - 1) << start for start in range(0, 64, 2 * half)))
    for half, bits in ((8, 7), (16, 14), (32, 28))
)
AT_ONCE = 2  # columns: zlib works outside of Python's lock
# For small numbers, for runs, and for single bytes. Which of them makes a column smallest differs; all together take a
# fraction of level 9's time. Level 6 takes the first of them twice as long as level 4, for a 400th of the page.
LEVEL = 4
STRATEGIES = (zlib.Z_FILTERED, zlib.Z_RLE, zlib.Z_HUFFMAN_ONLY)


def to_text(data: bytes) -> str:
    """Bytes as characters of seven bits each, the last one filled up with zeros."""
    import numpy as np

    count = -(-len(data) // 7)  # seven bytes are eight characters
    padded = np.zeros((count, 8), np.uint8)
    padded[:, 1:] = np.frombuffer(data.ljust(7 * count, b"\0"), np.uint8).reshape(count, 7)
    words: np.ndarray = padded.view(">u8").astype(np.uint64)
    for half, bits, lower in reversed(HALVES):
        words = ((words >> bits) & lower) << half | (words & lower)
    sevens = words.astype(">u8").tobytes()[: -(-len(data) * 8 // 7)]
    return sevens.translate(WRITTEN).decode("latin-1")


def from_text(text: str) -> bytes:
    """The inverse of `to_text`."""
    import numpy as np

    sevens = text.encode("latin-1").translate(READ)
    words: np.ndarray = np.frombuffer(sevens.ljust(-(-len(text) // 8) * 8, b"\0"), ">u8").astype(np.uint64)
    for half, bits, lower in HALVES:
        words = ((words >> half) & lower) << bits | (words & lower)
    data = words.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 1:]
    return data.tobytes()[: len(text) * 7 // 8]


def compressed(*parts: bytes) -> str:
    """As one gzip stream, in seven bits a character. Each part is compressed by itself, as is best for it."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        blocks = list(pool.map(_deflated, parts))
    whole = b"".join(parts)
    head = b"\x1f\x8b\x08\0\0\0\0\0\x02\xff"  # deflate, no name, no time
    tail = zlib.compressobj(wbits=-15).flush() + struct.pack("<II", zlib.crc32(whole), len(whole))
    return to_text(b"".join([head, *blocks, tail]))


def _deflated(data: bytes) -> bytes:
    """Blocks of a deflate stream that end at a whole byte and are not the last."""
    found = []
    for strategy in STRATEGIES:
        stream = zlib.compressobj(LEVEL, zlib.DEFLATED, -15, 9, strategy)
        found.append(stream.compress(data) + stream.flush(zlib.Z_FULL_FLUSH))
    return min(found, key=len)


def expanded(text: str) -> bytes:
    """The inverse of `compressed`."""
    return zlib.decompress(from_text(text), 31)


def encode(facts: Facts, about: dict[str, Any]) -> list[bytes]:
    """A header (its length in 4 bytes, then JSON with `about` in it) and the columns, each as planes of bytes, lowest
    first. Put together they are what the page decodes.

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
    return [len(header).to_bytes(4, "little") + header, *columns]


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
