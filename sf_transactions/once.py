"""A step that would make the same files from the same again tells what it told when it made them."""

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dagster as dg

from sf_transactions.resources import made
from sf_transactions.resources.home import Home, read_note, write_json
from sf_transactions.transform.star import YEARS_AT_ONCE

Told = dg.AssetCheckResult | dg.MaterializeResult


def once(
    home: Home, name: str, of: str, files: Sequence[Path], make: Callable[[], Iterable[Told]], beside: str = ""
) -> Iterator[Told]:
    """Yields what `make` yields as it makes `files`, or what it yielded when it made those that stand.

    `of` is the hash of all that goes into them (`made.makings`), `beside` that of rows which the warehouse holds and
    which are merged into the first file: once that very file is loaded, they add nothing to it. Where `make` raises,
    nothing is told again.
    """
    note = home.told(name)
    of = hashlib.sha256(f"{of} {home.root} {_code()}".encode()).hexdigest()
    noted = read_note(note)
    if noted.get("of") == of:
        with ThreadPoolExecutor(YEARS_AT_ONCE) as pool:  # most are files of a fiscal year
            stand = list(pool.map(lambda file: made.sha256(file) if file.exists() else "", files))
        if stand == noted["files"] and beside in (noted["beside"], *stand[:1]):
            yield from map(_told, noted["told"])
            return
    told = []
    for each in make():
        told.append(_json(each))
        yield each
    write_json(note, {"of": of, "beside": beside, "files": [made.sha256(file) for file in files], "told": told})


def _json(told: Told) -> dict[str, Any]:
    """A result as JSON; its metadata as Dagster itself writes it."""
    assert told.asset_key
    of = dg.AssetMaterialization(told.asset_key, metadata=dict(told.metadata or {}))
    each: dict[str, Any] = {"materialization": dg.serialize_value(of)}
    if isinstance(told, dg.AssetCheckResult):
        each |= {"check": told.check_name, "passed": told.passed, "severity": told.severity.value}
        each |= {"description": told.description}
    return each


def _told(each: dict[str, Any]) -> Told:
    of = dg.deserialize_value(each["materialization"], dg.AssetMaterialization)
    if "check" not in each:
        return dg.MaterializeResult(asset_key=of.asset_key, metadata=of.metadata)
    return dg.AssetCheckResult(
        asset_key=of.asset_key,
        check_name=each["check"],
        passed=each["passed"],
        severity=dg.AssetCheckSeverity(each["severity"]),
        description=each["description"],
        metadata=of.metadata,
    )


@functools.cache
def _code() -> str:
    """A hash of the code that tells, and writes files; that of what they hold is part of `of`."""
    here = Path(__file__).parent
    sources = [*here.glob("*.py"), *here.glob("assets/*.py"), *here.glob("resources/*.py")]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(sources))).hexdigest()
