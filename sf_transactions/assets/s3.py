"""s3/*: the star's files as objects in S3, sent by SFTP through Transfer Family and read back."""

import contextlib
import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from sf_transactions import checks
from sf_transactions.assets import code_tables
from sf_transactions.assets.codes import codes_key
from sf_transactions.assets.raw import RAW
from sf_transactions.assets.star import FACT_TABLES, star_key
from sf_transactions.automation import BY_FISCAL_YEAR
from sf_transactions.model import CODED_DIMENSIONS, CODES, STAR, Table
from sf_transactions.resources import loaded_objects, made
from sf_transactions.resources.home import Home, read_json, write_json
from sf_transactions.resources.loaded_objects import MANIFESTS
from sf_transactions.resources.storage import AT_ONCE, Listed, Storage
from sf_transactions.resources.transfer import Sftp, Transfer

S3_CODES = dg.AssetKey(["s3", "codes"])
S3_RAW = dg.AssetKey(["s3", "raw"])


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
    """Sends the files of the selected assets over one SFTP session, opened for the first that is not there; manifests
    when all is there that they name."""
    wanted = {key: tables for key, (tables, _) in SENT.items() if key in context.selected_asset_keys}
    files = {table: _files(home, storage, table, context.partition_keys) for of in wanted.values() for table in of}
    listed = storage.in_folders([MANIFESTS, *(table.name for table in files)])
    verified = {key: told for table in files for key, told in _verified(home, table).items()}
    with contextlib.ExitStack() as stack:
        session = functools.cache(lambda: stack.enter_context(transfer.connect()))
        etags: dict[str, str] = {}
        sent: set[str] = set()
        for each in ([part for of in files.values() for part in of.parts], [of.manifest for of in files.values()]):
            found, missing = _send_missing(each, listed, verified, session, storage)
            etags |= found
            sent |= missing
    for key, tables in wanted.items():
        for table in tables:
            _write_receipt(home, storage, table, context.partition_keys, files[table], etags)
        parts = [part for table in tables for part in files[table].parts]
        yield from checks.settle(checks.result(key, "objects_verified", objects=len(parts)))
        yield dg.MaterializeResult(
            asset_key=key,
            metadata={
                "objects": len(parts),
                "objects_sent": sum(part.key in sent for part in parts),
                "bytes": sum(part.bytes for part in parts),
                "dagster/uri": storage.url(files[tables[-1]].manifest.key),
            },
        )


@dataclass(frozen=True)
class _Part:
    """A file that is to stand in S3, or the bytes of one, and the key that it has there."""

    content: Path | bytes
    fiscal_year: str | None
    key: str
    bytes: int
    sha256: str

    def entry(self, storage: Storage) -> dict[str, Any]:
        return {
            "url": storage.url(self.key),
            "bytes": self.bytes,
            "sha256": self.sha256,
            "fiscal_year": self.fiscal_year,
        }


def _part(path: Path, name: str, year: str | None) -> _Part:
    digest = made.sha256_of(path, "what it is made from")
    folder = f"{name}/fiscal_year={year}" if year else name
    return _Part(path, year, f"{folder}/load_id={digest[:16]}/{path.name}", path.stat().st_size, digest)


def _manifest(name: str, entries: Sequence[Mapping[str, Any]]) -> _Part:
    content = loaded_objects.manifest(entries)
    digest = hashlib.sha256(content).hexdigest()
    return _Part(content, None, f"{MANIFESTS}/{name}/load_id={digest[:16]}.json", len(content), digest)


@dataclass(frozen=True)
class _Files:
    """What is to stand in S3 of a table: its files, and the manifest that lists them."""

    parts: Sequence[_Part]
    manifest: _Part


def _files(home: Home, storage: Storage, table: Table, years: Sequence[str]) -> _Files:
    parts = [_part(home.star(table.name, year), table.name, year) for year in (years if table.part_a_year else [None])]
    return _Files(parts, _manifest(table.name, [part.entry(storage) for part in parts]))


def _verified(home: Home, table: Table) -> dict[str, list[str]]:
    """What was read back of a table's objects before: by key the SHA-256 and the ETag."""
    receipt = home.receipt(table.name)
    return read_json(receipt, "s3/*").get("verified", {}) if receipt.exists() else {}


def _send_missing(
    files: Sequence[_Part],
    listed: Mapping[str, Listed],
    verified: Mapping[str, Sequence[str]],
    session: Callable[[], Sftp],
    storage: Storage,
) -> tuple[dict[str, str], set[str]]:
    """Sends those of the files that S3 does not hold, some at a time, and reads them back. Returns the ETags by key,
    and the keys of what was sent. `listed` is what S3 held before."""
    etags = storage.standing(listed, [(each.key, each.bytes, each.sha256) for each in files], verified)
    missing = [each for each in files if each.key not in etags]
    if missing:
        sftp = session()

        def send(part: _Part) -> str:
            sftp.put(part.content, f"/{part.key}")
            return storage.verify(part.key, part.bytes, part.sha256)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            etags |= zip((part.key for part in missing), pool.map(send, missing), strict=True)
    return etags, {part.key for part in missing}


def _write_receipt(
    home: Home, storage: Storage, table: Table, years: Sequence[str], files: _Files, etags: Mapping[str, str]
) -> None:
    """Leaves what the warehouse loads a table from."""
    told = {
        "manifest": storage.url(files.manifest.key),
        "fiscal_years": list(years),
        "objects": [part.entry(storage) for part in files.parts],
        "verified": {part.key: [part.sha256, etags[part.key]] for part in (*files.parts, files.manifest)},
    }
    write_json(home.receipt(table.name), told)


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
    standing = {(each.key, each.size) for each in storage.in_folders([loaded_objects.RAW]).values()}
    entries, sent = [], 0
    for year in context.partition_keys:
        part = _part(home.raw(year), loaded_objects.RAW, year)
        if (part.key, part.bytes) not in standing:
            storage.put(part.key, home.raw(year).read_bytes())
            sent += 1
        entries.append(part.entry(storage))
    write_json(home.receipt(loaded_objects.RAW), {"fiscal_years": list(context.partition_keys), "objects": entries})
    return dg.MaterializeResult(
        metadata={"objects": len(entries), "objects_sent": sent, "bytes": sum(entry["bytes"] for entry in entries)}
    )


assets = [s3_raw, s3_objects]
