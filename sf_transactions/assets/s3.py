"""s3/*: the star's files as objects in S3, sent by SFTP through Transfer Family and read back."""

import contextlib
import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from sf_transactions import checks
from sf_transactions.assets import code_tables
from sf_transactions.assets.codes import codes_key
from sf_transactions.assets.raw import RAW
from sf_transactions.assets.star import FACT_TABLES, star_key
from sf_transactions.automation import BY_FISCAL_YEAR
from sf_transactions.model import CODED_DIMENSIONS, CODES, STAR, Table
from sf_transactions.resources import loaded_objects, made
from sf_transactions.resources.home import Home, HomeError, write_json
from sf_transactions.resources.loaded_objects import manifest
from sf_transactions.resources.storage import Storage
from sf_transactions.resources.transfer import Sftp, Transfer

S3_CODES = dg.AssetKey(["s3", "codes"])
S3_RAW = dg.AssetKey(["s3", "raw"])
AT_ONCE = 4  # files that are sent, or read back, side by side: most of it is waiting for answers


def s3_key(table: Table) -> dg.AssetKey:
    return dg.AssetKey(["s3", table.name])


# The tables whose objects are one asset, with what that is made from.
SENT: dict[dg.AssetKey, tuple[Sequence[Table], list[dg.AssetKey]]] = {
    **{s3_key(table): ([table], [star_key(table)]) for table in STAR},
    S3_CODES: (
        CODES,
        [
            *(star_key(dimension.table) for dimension in CODED_DIMENSIONS),
            *(star_key(table) for table in FACT_TABLES),
            *(codes_key(table) for table in code_tables.TABLES),
        ],
    ),
}


@dg.multi_asset(
    name="s3",
    specs=[
        dg.AssetSpec(
            key,
            deps=deps,
            group_name="s3",
            kinds={"sftp", "s3"},
            owners=["team:data-engineering"],
            description=(
                f"The files of {', '.join(table.name for table in tables)} as objects in S3, with the manifest that "
                "COPY reads.\n\nEach is put through Transfer Family's SFTP endpoint, whose host key is pinned, and "
                "then read back from S3 and hashed. The name of an object holds the hash of its content, so that an "
                "object is never overwritten by another content, and one that stands already is not sent again."
            ),
            partitions_def=BY_FISCAL_YEAR["partitions_def"],
        )
        for key, (tables, deps) in SENT.items()
    ],
    check_specs=[
        spec
        for key in SENT
        for spec in checks.specs(key, {"objects_verified": "Every object has the size and the SHA-256 of its file."})
    ],
    can_subset=True,
    backfill_policy=BY_FISCAL_YEAR["backfill_policy"],
)
def s3_objects(context: dg.AssetExecutionContext, home: Home, transfer: Transfer, storage: Storage) -> Iterator:
    """Sends the files of the selected assets over one SFTP session, which is opened for the first that is not there."""
    with contextlib.ExitStack() as stack:
        session = functools.cache(lambda: stack.enter_context(transfer.connect()))
        for key in (key for key in SENT if key in context.selected_asset_keys):
            sent, objects, listed = 0, [], ""
            for each in SENT[key][0]:
                parts = _parts(home, each, context.partition_keys if each.part_a_year else [None])
                sent += _send_all(_not_held(parts, each, storage), session, storage)
                entries = [part.entry(storage) for part in parts]
                listed = _put_manifest(home, each, entries, context.partition_keys, session, storage)
                objects += entries
            yield from checks.settle(checks.result(key, "objects_verified", objects=len(objects)))
            yield dg.MaterializeResult(
                asset_key=key,
                metadata={
                    "objects": len(objects),
                    "objects_sent": sent,
                    "bytes": sum(entry["bytes"] for entry in objects),
                    "dagster/uri": listed,
                },
            )


@dataclass(frozen=True)
class _Part:
    """A file that is to stand in S3, and the key that it has there."""

    path: Path
    fiscal_year: str | None
    key: str
    bytes: int
    sha256: str

    def entry(self, storage: Storage) -> dict:
        return {
            "url": storage.url(self.key),
            "bytes": self.bytes,
            "sha256": self.sha256,
            "fiscal_year": self.fiscal_year,
        }


def _part(path: Path, name: str, year: str | None) -> _Part:
    try:
        size, digest = path.stat().st_size, made.sha256(path)
    except FileNotFoundError:
        raise HomeError(f"{path} is not there: materialize what it is made from, for these years, first") from None
    folder = f"{name}/fiscal_year={year}" if year else name
    return _Part(path, year, f"{folder}/load_id={digest[:16]}/{path.name}", size, digest)


def _parts(home: Home, table: Table, years: Sequence[str | None]) -> list[_Part]:
    return [_part(home.star(table.name, year), table.name, year) for year in years]


def _not_held(parts: Sequence[_Part], table: Table, storage: Storage) -> list[_Part]:
    """The parts that S3 does not hold, of which those that it lists are read back."""
    standing = {listed.key for listed in storage.listed(f"{table.name}/")}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        held = pool.map(lambda part: part.key in standing and storage.holds(part.key, part.bytes, part.sha256), parts)
        return [part for part, holds in zip(parts, held, strict=True) if not holds]


def _send_all(parts: Sequence[_Part], session: Callable[[], Sftp], storage: Storage) -> int:
    """Sends these parts and reads them back. Returns how many they are."""
    if parts:
        sftp = session()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda part: _send(part.path, part.bytes, part.sha256, part.key, sftp, storage), parts))
    return len(parts)


def _send(content: bytes | Path, size: int, digest: str, key: str, sftp: Sftp, storage: Storage) -> None:
    sftp.put(content, f"/{key}")
    storage.verify(key, size, digest)


def _put_manifest(home: Home, table: Table, entries, years, session: Callable[[], Sftp], storage: Storage) -> str:
    """Sends the manifest, last, and leaves the receipt from which the warehouse loads. Returns the manifest's URL."""
    content = manifest(entries)
    digest = hashlib.sha256(content).hexdigest()
    key = f"manifest/{table.name}/load_id={digest[:16]}.json"
    if not storage.holds(key, len(content), digest):
        _send(content, len(content), digest, key, session(), storage)
    write_json(
        home.receipt(table.name),
        {"manifest": storage.url(key), "fiscal_years": list(years), "objects": entries},
    )
    return storage.url(key)


@dg.asset(
    key=S3_RAW,
    deps=[RAW],
    group_name="s3",
    kinds={"parquet", "s3"},
    owners=["team:data-engineering"],
    **BY_FISCAL_YEAR,
)
def s3_raw(context: dg.AssetExecutionContext, home: Home, storage: Storage) -> dg.MaterializeResult:
    """The raw fiscal years as objects in S3, as published, for Glue, Redshift Spectrum and machines that have none.

    They go up by S3's own API, which compares the checksum; the name of an object holds the hash of its content.
    """
    standing = {(each.key, each.size) for each in storage.listed(f"{loaded_objects.RAW}/")}
    entries, sent = [], 0
    for year in context.partition_keys:
        part = _part(home.raw(year), loaded_objects.RAW, year)
        if (part.key, part.bytes) not in standing:
            storage.put(part.key, part.path.read_bytes())
            sent += 1
        entries.append(part.entry(storage))
    write_json(home.receipt(loaded_objects.RAW), {"fiscal_years": list(context.partition_keys), "objects": entries})
    return dg.MaterializeResult(
        metadata={"objects": len(entries), "objects_sent": sent, "bytes": sum(entry["bytes"] for entry in entries)}
    )


assets = [s3_raw, s3_objects]
