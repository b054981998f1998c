"""s3/*: the star's files as objects in S3, sent by SFTP through Transfer Family and read back."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg

from sf_transactions import checks
from sf_transactions.assets import code_tables
from sf_transactions.assets.codes import codes_key
from sf_transactions.assets.raw import RAW
from sf_transactions.assets.star import FACT_TABLES, star_key
from sf_transactions.automation import BY_FISCAL_YEAR
from sf_transactions.model import CODED_DIMENSIONS, CODES, STAR, Table
from sf_transactions.resources import loaded_objects
from sf_transactions.resources.home import Home, HomeError, write_json
from sf_transactions.resources.loaded_objects import manifest
from sf_transactions.resources.storage import Storage
from sf_transactions.resources.transfer import Transfer

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
    """Sends the files of the selected assets over one SFTP session."""
    with transfer.connect() as sftp:
        for key in (key for key in SENT if key in context.selected_asset_keys):
            sent, objects, listed = 0, [], ""
            for each in SENT[key][0]:
                entries, standing = [], {listed.key for listed in storage.listed(f"{each.name}/")}
                for year in context.partition_keys if each.part_a_year else [None]:
                    entry, was_sent = _put(home.star(each.name, year), each, year, standing, sftp, storage)
                    sent += was_sent
                    entries.append(entry | {"fiscal_year": year})
                listed = _put_manifest(home, each, entries, context.partition_keys, sftp, storage)
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


def _put(path: Path, table: Table, year: str | None, standing: set[str], sftp, storage: Storage) -> tuple[dict, bool]:
    """Sends one file unless S3 holds it, verifies it there, and returns its entry and whether it was sent."""
    content, digest, key = _read(path, table.name, year)
    sent = not (key in standing and storage.holds(key, len(content), digest))
    if sent:
        _send(content, digest, key, sftp, storage)
    return {"url": storage.url(key), "bytes": len(content), "sha256": digest}, sent


def _read(path: Path, name: str, year: str | None) -> tuple[bytes, str, str]:
    """The content of a file, its SHA-256, and the key that it has in S3."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise HomeError(f"{path} is not there: materialize what it is made from, for these years, first") from None
    digest = hashlib.sha256(content).hexdigest()
    folder = f"{name}/fiscal_year={year}" if year else name
    return content, digest, f"{folder}/load_id={digest[:16]}/{path.name}"


def _send(content: bytes, digest: str, key: str, sftp, storage: Storage) -> None:
    sftp.put(content, f"/{key}")
    storage.verify(key, len(content), digest)


def _put_manifest(home: Home, table: Table, entries, years, sftp, storage: Storage) -> str:
    """Sends the manifest, last, and leaves the receipt from which the warehouse loads. Returns the manifest's URL."""
    content = manifest(entries)
    digest = hashlib.sha256(content).hexdigest()
    key = f"manifest/{table.name}/load_id={digest[:16]}.json"
    if not storage.holds(key, len(content), digest):
        _send(content, digest, key, sftp, storage)
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
        content, digest, key = _read(home.raw(year), loaded_objects.RAW, year)
        if (key, len(content)) not in standing:
            storage.put(key, content)
            sent += 1
        entries.append({"url": storage.url(key), "bytes": len(content), "sha256": digest, "fiscal_year": year})
    write_json(home.receipt(loaded_objects.RAW), {"fiscal_years": list(context.partition_keys), "objects": entries})
    return dg.MaterializeResult(
        metadata={"objects": len(entries), "objects_sent": sent, "bytes": sum(entry["bytes"] for entry in entries)}
    )


assets = [s3_raw, s3_objects]
