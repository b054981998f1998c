"""The door to Glue's Data Catalog: the files in S3 as tables with comments, partitions, statistics and a watermark."""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import PrivateAttr

from sf_transactions.model import FISCAL_YEAR, PUBLISHED, TABLES, Table
from sf_transactions.resources.loaded_objects import RAW, Part

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient

FISCAL_YEAR_KEY = {"Name": FISCAL_YEAR.name, "Type": "int", "Comment": FISCAL_YEAR.description}
# The rows themselves have the year too, and Glue takes no column twice.
FOLDER_KEY = FISCAL_YEAR_KEY | {"Name": "folder_fiscal_year"}
SOURCE = "sf_transactions.source"  # parameter of a raw partition: the portal's fingerprint and all that is known of it
_PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
}
_CSV = {
    "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.serde2.OpenCSVSerde"},
    "Compressed": True,
}
_TYPES = {"BIGINT": "bigint", "INTEGER": "int"}  # what OpenCSVSerde reads exactly; decimals stay text


class CatalogError(RuntimeError):
    """Glue cannot be reached or refused; the message says what to do."""


class Catalog(dg.ConfigurableResource):
    """The Glue database that the files are registered in."""

    database: str
    _client: Any = PrivateAttr(default=None)

    def client(self) -> "GlueClient":
        import boto3

        if self._client is None:
            self._client = boto3.client("glue")
        return self._client

    def tables(self) -> dict[str, dict[str, Any]] | None:
        """Every table of the database, by name; None when there is no such database. Raises CatalogError."""
        with told(self.database, absent=("EntityNotFoundException",)):
            pages = self.client().get_paginator("get_tables").paginate(DatabaseName=self.database)
            return {each["Name"]: dict(each) for page in pages for each in page["TableList"]}
        return None

    def register(
        self, table: dict[str, Any], partitions: Sequence[dict[str, Any]], standing: dict[str, Any] | None
    ) -> int:
        """Makes a table, which is `standing` now if at all, and its partitions what they should be. Returns how many of
        them were changed. Raises CatalogError."""
        name, changed = table["Name"], 0
        with told(f"{self.database}.{name}"):
            if standing is None:
                self.client().create_table(DatabaseName=self.database, TableInput=table)
                changed += 1
            elif _differs(table, standing):
                self.client().update_table(DatabaseName=self.database, TableInput=table)
                changed += 1
            return changed + self._register_partitions(name, partitions) if table["PartitionKeys"] else changed

    def _register_partitions(self, table: str, wanted: Sequence[dict[str, Any]]) -> int:
        where = {"DatabaseName": self.database, "TableName": table}
        standing = {tuple(each["Values"]): each for each in self.partitions(table)}
        values = {tuple(each["Values"]) for each in wanted}
        new = [each for each in wanted if tuple(each["Values"]) not in standing]
        other = [each for each in wanted if _differs(each, standing.get(tuple(each["Values"]), each))]
        gone = [{"Values": list(key)} for key in standing if key not in values]
        for batch in _batches(new, 100):
            self._refused(self.client().batch_create_partition(**where, PartitionInputList=batch))
        for batch in _batches(other, 100):
            entries = [{"PartitionValueList": each["Values"], "PartitionInput": each} for each in batch]
            self._refused(self.client().batch_update_partition(**where, Entries=entries))
        for batch in _batches(gone, 25):
            self._refused(self.client().batch_delete_partition(**where, PartitionsToDelete=batch))
        return len(new) + len(other) + len(gone)

    def _refused(self, answer: Any) -> None:
        for error in answer.get("Errors", []):
            raise CatalogError(f"Glue refused partition {error['PartitionValues']}: {error['ErrorDetail']}")

    def partitions(self, table: str) -> list[dict[str, Any]]:
        """Every partition of a table; none when there is no such table. Raises CatalogError."""
        with told(f"{self.database}.{table}", absent=("EntityNotFoundException",)):
            pages = self.client().get_paginator("get_partitions").paginate(DatabaseName=self.database, TableName=table)
            return [dict(each) for page in pages for each in page["Partitions"]]
        return []


@contextlib.contextmanager
def told(what: str, absent: tuple[str, ...] = ()) -> Iterator[None]:
    """Raises CatalogError in the place of boto3's errors; one of the codes in `absent` just ends the block."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] in absent:
            return
        raise CatalogError(f"Glue refused {what}: {error}; check the rights of these credentials") from None
    except BotoCoreError as error:
        raise CatalogError(f"Glue cannot be reached for {what}: {error}") from None


def _differs(wanted: Any, standing: Any) -> bool:
    """Whether what stands lacks anything of what is wanted; Glue adds fields of its own."""
    if isinstance(wanted, dict):
        return not isinstance(standing, dict) or any(
            _differs(value, standing.get(key)) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return not isinstance(standing, list) or len(wanted) != len(standing) or any(map(_differs, wanted, standing))
    return wanted != standing


def _batches(items: Sequence[dict[str, Any]], size: int) -> Iterable[Any]:
    return (items[start : start + size] for start in range(0, len(items), size))


def tables(parts: Iterable[Part], watermark: dict[str, str]) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """The Glue table of each kind of file, and its partitions, as Glue takes them. Pure."""
    by_table: dict[str, list[Part]] = {}
    for part in parts:
        by_table.setdefault(part.table, []).append(part)
    if RAW in by_table:
        published = (each for each in PUBLISHED if each.name != FISCAL_YEAR.name)
        columns = [_column(each.name, "string", each.description) for each in published]
        about = "The rows as published, all values as text"
        yield _table(RAW, about, columns, _PARQUET, FISCAL_YEAR_KEY, by_table[RAW], watermark)
    for each in TABLES:
        if each.name in by_table:
            columns = [_column(one.name, _TYPES.get(one.sql_type, "string"), one.description) for one in each.columns]
            yield _table(each.name, each.description, columns, _CSV, _year_key(each), by_table[each.name], watermark)


def watermark(parts: Iterable[Part]) -> dict[str, str]:
    """What the raw years of all tables were published as: the last publication, and one hash of all fingerprints."""
    sources = {part.fiscal_year: part.facts["source"] for part in parts if part.table == RAW}
    fingerprints = {year: [each["published"], each["signals"]] for year, each in sources.items()}
    return {
        "sf_transactions.rows_updated_at": str(max((each["rows_updated_at"] for each in sources.values()), default="")),
        "sf_transactions.fingerprint": hashlib.sha256(json.dumps(fingerprints, sort_keys=True).encode()).hexdigest(),
    }


def _year_key(table: Table) -> dict[str, str] | None:
    if not table.part_a_year:
        return None
    return FOLDER_KEY if FISCAL_YEAR in table.columns else FISCAL_YEAR_KEY


def _column(name: str, kind: str, comment: str) -> dict[str, str]:
    return {"Name": name, "Type": kind, "Comment": comment}


def _table(
    name: str,
    description: str,
    columns: list[dict[str, str]],
    storage: dict[str, Any],
    year: dict[str, str] | None,
    parts: list[Part],
    watermark: dict[str, str],
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    csv = storage is _CSV
    folders = [part.url.rpartition("/")[0] + "/" for part in parts]
    root = folders[0].partition(f"/{name}/")[0] + f"/{name}/"
    descriptor = storage | {"Columns": columns}
    parameters = {
        "EXTERNAL": "TRUE",
        "classification": "csv" if csv else "parquet",
        **({"skip.header.line.count": "1"} if csv else {}),
        "objectCount": str(len(parts)),
        "sizeKey": str(sum(part.bytes for part in parts)),
        "numRows": str(sum(part.facts.get("rows", 0) for part in parts)),
        **watermark,
    }
    table = {
        "Name": name,
        "Description": description,
        "TableType": "EXTERNAL_TABLE",
        "StorageDescriptor": descriptor | {"Location": root if year else folders[0]},
        "PartitionKeys": [year] if year else [],
        "Parameters": parameters,
    }
    partitions = [
        {
            "Values": [part.fiscal_year],
            "StorageDescriptor": descriptor | {"Location": folder},
            "Parameters": {
                "numRows": str(part.facts.get("rows", 0)),
                "totalSize": str(part.bytes),
                "sf_transactions.sha256": part.sha256,
                **({SOURCE: json.dumps(part.facts["source"], sort_keys=True)} if "source" in part.facts else {}),
            },
        }
        for part, folder in zip(parts, folders, strict=True)
        if year
    ]
    return table, partitions
