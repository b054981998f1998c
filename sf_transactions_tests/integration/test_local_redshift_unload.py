"""UNLOAD to a real S3 API: what the files hold, how they are called, and what is refused.

Said of the stand-in and of a real cluster, which needs S3_BUCKET besides, and a default role that may write there.
"""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
import redshift_connector

from sf_transactions.settings import Settings
from sf_transactions_tests.integration.redshift import BUCKET, STAND_IN, ask, refused, rolled_back

FOLDER = "unload-test/"
ROWS = """
    select 1 as id, 'plain' as word, 1.50::decimal(18,2) as amount, true as yes, '2025-06-30'::date as day
    union all select 2, 'a,b', -0.01, false, null
    union all select 3, 'say "so"', null, null, null
    union all select 4, null, 0, null, null
    union all select 5, '', 0, null, null"""


@dataclass
class Place:
    """A session, and the folder of a bucket that it unloads to."""

    connection: redshift_connector.Connection
    client: Any
    bucket: str

    def unload(self, name: str, options: str, query: str = f"select * from ({ROWS}) order by id") -> None:
        ask(self.connection, self.statement(name, options, query))

    def statement(self, name: str, options: str, query: str) -> str:
        query = query.replace("'", "''")
        return f"unload ('{query}') to 's3://{self.bucket}/{FOLDER}{name}' iam_role default {options}"

    def files(self, name: str) -> dict[str, bytes]:
        listed = self.client.list_objects_v2(Bucket=self.bucket, Prefix=f"{FOLDER}{name}").get("Contents", [])
        return {
            each["Key"].removeprefix(FOLDER): self.client.get_object(Bucket=self.bucket, Key=each["Key"])["Body"].read()
            for each in listed
        }


@pytest.fixture
def place(anywhere, request) -> Iterator[Place]:
    stand_in = STAND_IN in request.node.name
    client = request.getfixturevalue("bucket").client if stand_in else boto3.client("s3")
    name = BUCKET if stand_in else Settings.from_environ().s3_bucket
    with rolled_back(anywhere()) as connection:
        place = Place(connection, client, name)
        yield place
        for key in place.files(""):
            client.delete_object(Bucket=name, Key=f"{FOLDER}{key}")


TEXT = b'1,plain,1.50,t,2025-06-30\n2,"a,b",-0.01,f,\n3,"say ""so""",,,\n4,,0.00,,\n5,,0.00,,\n'


def test_rows_are_written_as_csv_in_the_order_of_the_query(place):
    place.unload("a_", "format as csv header parallel off")
    assert place.files("a_") == {"a_000": b"id,word,amount,yes,day\n" + TEXT}


def test_a_file_is_zipped_and_listed_in_a_manifest_by_which_copy_reads_it(place):
    place.unload("b_", "csv gzip manifest parallel off null as '\\N'")
    files = place.files("b_")
    assert gzip.decompress(files["b_000.gz"]).splitlines()[3] == b"4,\\N,0.00,\\N,\\N"
    (entry,) = json.loads(files["b_manifest"])["entries"]
    assert entry["url"] == f"s3://{place.bucket}/{FOLDER}b_000.gz"
    ask(place.connection, "create temp table back (id int, word varchar(9), amount decimal(18,2), yes bool, day date)")
    manifest = f"s3://{place.bucket}/{FOLDER}b_manifest"
    ask(place.connection, f"copy back from '{manifest}' iam_role default csv gzip manifest null as '\\N'")
    assert ask(place.connection, "select * from back order by id") == ask(
        place.connection, f"select * from ({ROWS}) order by id"
    )


def test_what_stands_is_overwritten_only_when_asked_to(place):
    place.unload("c_", "csv parallel off")
    with pytest.raises(redshift_connector.Error, match="Specified unload destination on S3 is not empty"):
        place.unload("c_", "csv parallel off", "select 2")
    place.connection.rollback()
    assert place.files("c_") == {"c_000": TEXT}
    place.unload("c_", "csv parallel off allowoverwrite", "select 2")
    assert place.files("c_") == {"c_000": b"2\n"}


def test_files_written_by_slices_say_so(place):
    place.unload("d_", "csv", "select 1 as one")
    assert all(name.startswith("d_000") and "_part_00" in name for name in place.files("d_"))


@pytest.mark.parametrize(
    ("options", "query", "state"),
    [
        ("csv header header", "select 1", "42601"),
        ("csv", "select 1 limit 1", "0A000"),
        ("csv", "delete from t", "42601"),
        ("csv", "select * from nowhere", "42P01"),
        ("csv wrong", "select 1", "0A000"),
        ("parquet", "select 1", "0A000"),
    ],
)
def test_what_cannot_be_unloaded_is_refused_and_nothing_is_written(place, options, query, state):
    if place.bucket != BUCKET:
        pytest.skip("a cluster has other words for what it refuses, and Parquet it does not refuse")
    assert refused(place.connection, place.statement("e_", options, query)) == state
    assert not place.files("e_")


def test_a_role_that_is_not_the_clusters_may_not_write(place):
    statement = place.statement("f_", "csv", "select 1").replace("role default", "role 'arn:aws:iam::1:role/x'")
    with pytest.raises(redshift_connector.Error, match="not authorized to assume IAM Role"):
        ask(place.connection, statement)
    place.connection.rollback()
    assert not place.files("f_")
