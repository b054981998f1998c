"""s3/*: the star's files as objects in S3, sent by SFTP through Transfer Family and read back."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg

from sf_transactions import checks
from sf_transactions.assets import code_tables
from sf_transactions.assets.codes import codes_key
from sf_transactions.assets.star import FACT_TABLES, star_key
from sf_transactions.automation import BY_FISCAL_YEAR
from sf_transactions.model import CODED_DIMENSIONS, CODES, STAR, Table
from sf_transactions.resources.home import Home, HomeError, write_json
from sf_transactions.resources.storage import Storage
from sf_transactions.resources.transfer import Transfer

S3_CODES = dg.AssetKey(["s3", "codes"])


def s3_key(table: Table) -> dg.AssetKey:
    return dg.AssetKey(["s3", table.name])


def _s3_asset(key: dg.AssetKey, tables: Sequence[Table], deps: Sequence[dg.AssetKey]) -> dg.AssetsDefinition:
    names = ", ".join(table.name for table in tables)

    @dg.asset(
        key=key,
        deps=deps,
        group_name="s3",
        kinds={"sftp", "s3"},
        owners=["team:data-engineering"],
        description=(
            f"The files of {names} as objects in S3, with the manifest that COPY reads.\n\nEach is put "
            "through Transfer Family's SFTP endpoint, whose host key is pinned, and then read back from S3 and "
            "hashed. The name of an object holds the hash of its content, so that an object is never overwritten by "
            "another content, and one that stands already is not sent again."
        ),
        check_specs=checks.specs(key, {"objects_verified": "Every object has the size and the SHA-256 of its file."}),
        **BY_FISCAL_YEAR,
    )
    def s3_objects(context: dg.AssetExecutionContext, home: Home, transfer: Transfer, storage: Storage) -> Iterator:
        sent, objects, manifest = 0, [], ""
        with transfer.connect() as sftp:
            for each in tables:
                entries = []
                for year in context.partition_keys if each.part_a_year else [None]:
                    entry, was_sent = _put(home.star(each.name, year), each, year, sftp, storage)
                    sent += was_sent
                    entries.append(entry | {"fiscal_year": year})
                manifest = _put_manifest(home, each, entries, context.partition_keys, sftp, storage)
                objects += entries
        yield from checks.settle(checks.result(key, "objects_verified", objects=len(objects)))
        yield dg.MaterializeResult(
            asset_key=key,
            metadata={
                "objects": len(objects),
                "objects_sent": sent,
                "bytes": sum(entry["bytes"] for entry in objects),
                "dagster/uri": manifest,
            },
        )

    return s3_objects


def _put(path: Path, table: Table, year: str | None, sftp, storage: Storage) -> tuple[dict, bool]:
    """Sends one file unless S3 holds it, verifies it there, and returns its entry and whether it was sent."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise HomeError(f"{path} is not there: materialize star/* for these fiscal years first") from None
    digest = hashlib.sha256(content).hexdigest()
    folder = f"{table.name}/fiscal_year={year}" if year else table.name
    key = f"{folder}/load_id={digest[:16]}/{path.name}"
    return {"url": storage.url(key), "bytes": len(content), "sha256": digest}, _send(
        content, digest, key, sftp, storage
    )


def _send(content: bytes, digest: str, key: str, sftp, storage: Storage) -> bool:
    if storage.holds(key, len(content), digest):
        return False
    sftp.put(content, f"/{key}")
    storage.verify(key, len(content), digest)
    return True


def _put_manifest(home: Home, table: Table, entries, years, sftp, storage: Storage) -> str:
    """Sends the manifest, last, and leaves the receipt from which the warehouse loads. Returns the manifest's URL."""
    import json

    listed = [{"url": entry["url"], "mandatory": True, "meta": {"content_length": entry["bytes"]}} for entry in entries]
    content = json.dumps({"entries": listed}, indent=1).encode()
    digest = hashlib.sha256(content).hexdigest()
    key = f"manifest/{table.name}/load_id={digest[:16]}.json"
    _send(content, digest, key, sftp, storage)
    write_json(
        home.receipt(table.name),
        {"manifest": storage.url(key), "fiscal_years": list(years), "objects": entries},
    )
    return storage.url(key)


assets = [
    *(_s3_asset(s3_key(table), [table], [star_key(table)]) for table in STAR),
    _s3_asset(
        S3_CODES,
        CODES,
        [
            *(star_key(dimension.table) for dimension in CODED_DIMENSIONS),
            *(star_key(table) for table in FACT_TABLES),
            *(codes_key(table) for table in code_tables.TABLES),
        ],
    ),
]
