"""UNLOAD to S3: the statement and its options, read strictly, and its execution.

The stand-in has one slice, so that every UNLOAD writes one file. CSV is the only format, and nothing is encrypted here.
"""

import gzip
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sf_transactions.local.redshift import options, source, wire
from sf_transactions.local.redshift.errors import SqlError, not_supported

if TYPE_CHECKING:
    import duckdb

_UNLOAD = re.compile(
    r"UNLOAD\s*\(\s*'(?P<query>(?:[^'\\]|''|\\.)*)'\s*\)\s*TO\s+'(?P<target>s3://[^'/]+/[^']*)'\s*(?P<options>.*)",
    re.I | re.S,
)
_KNOWN = {
    **{name: options.SHARED[name] for name in ("role", "region", "csv", "delimiter", "gzip", "null")},
    "manifest": r"MANIFEST\b(?!\s+VERBOSE)",
    "header": r"HEADER\b",
    "parallel": r"PARALLEL\b(?:\s+(ON|OFF|TRUE|FALSE)\b)?",
    "overwrite": r"ALLOWOVERWRITE\b",
}
_PATTERNS = {name: re.compile(pattern, re.I) for name, pattern in _KNOWN.items()}
NOT_EMPTY = (
    "Specified unload destination on S3 is not empty. Consider using a different bucket / prefix, manually removing"
    " the target files in S3, or using the ALLOWOVERWRITE option."
)


@dataclass(frozen=True)
class Unload:
    """What an UNLOAD asks for."""

    query: str
    target: str
    options: dict[str, str]


def read(statement: str) -> Unload:
    """The parts of an UNLOAD statement. Raises SqlError."""
    found = _UNLOAD.fullmatch(statement.strip())
    if not found:
        raise SqlError("42601", "syntax error in UNLOAD: UNLOAD ('select ...') TO 's3://bucket/prefix' options")
    given = options.read(found["options"], _PATTERNS, "UNLOAD")
    if "csv" not in given:
        raise not_supported("UNLOAD in another format than CSV")
    return Unload(re.sub(r"''|\\(.)", lambda each: each[1] or "'", found["query"]), found["target"], given)


def run(
    cursor: "duckdb.DuckDBPyConnection",
    unload: Unload,
    sql: str,
    roles: tuple[str, ...],
    user: str,
    s3: Callable[[], Any],
) -> int:
    """Executes an UNLOAD whose query is `sql` to DuckDB; returns how many rows it wrote. No rows make no file.

    Raises SqlError or DuckDB's error; S3 then holds nothing new.
    """
    given = unload.options
    options.check_role(given["role"], roles, user)
    client = s3()
    source.check_region(client, unload.target, given.get("region", ""))
    slice_and_part = "000" if given.get("parallel", "").upper() in ("OFF", "FALSE") else "0000_part_00"
    file = f"{unload.target}{slice_and_part}{'.gz' if 'gzip' in given else ''}"
    manifest = f"{unload.target}manifest"
    if "overwrite" not in given:
        for url in (file, manifest) if "manifest" in given else (file,):
            if source.exists(client, url):
                raise SqlError("XX000", NOT_EMPTY)
    found = cursor.execute(sql)
    names, rows = [column[0] for column in found.description], found.fetchall()
    if not rows:
        return 0
    header = [names] if "header" in given else []
    content = _csv([*header, *rows], given)
    source.write(client, file, gzip.compress(content, mtime=0) if "gzip" in given else content)
    if "manifest" in given:
        source.write(client, manifest, json.dumps({"entries": [{"url": file}]}).encode())
    return len(rows)


def _csv(rows: Iterable[Sequence[Any]], given: dict[str, str]) -> bytes:
    """Lines that end with a newline; quoted is what has the delimiter, a quote or a line's end in it."""
    delimiter, null = given.get("delimiter", ",").replace("\\t", "\t"), given.get("null", "")
    special = re.compile(f'[{re.escape(delimiter)}"\n\r]')

    def text(value: Any) -> str:
        if value is None:
            return null
        written = wire.value_text(value)
        return '"' + written.replace('"', '""') + '"' if special.search(written) else written

    return "".join(delimiter.join(map(text, row)) + "\n" for row in rows).encode()
