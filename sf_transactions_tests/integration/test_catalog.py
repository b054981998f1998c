"""What S3 holds is known, complete and tidy: from it alone the warehouse is made anew, and a fresh machine starts."""

import json
import time

import boto3
import dagster as dg
import pytest

from sf_transactions.ddl import external_schema, quoted
from sf_transactions.definitions import build_defs
from sf_transactions.local.portal import Portal
from sf_transactions.model import PUBLICATION, STAR, TABLES
from sf_transactions.resources import loaded_objects
from sf_transactions.settings import Settings
from sf_transactions_tests.integration.pipeline import pipeline
from sf_transactions_tests.rows import published

pytestmark = pytest.mark.full

YEARS = (2017, 2019)
ROWS = [{"fiscal_year": str(year), "amount": f"{year}.10"} for year in range(2017, 2020) for _ in range(3)]
VANISHING = {"fiscal_year": "2018", "fund_category": "Grants", "fund_category_code": "9"}


@pytest.fixture(scope="module")
def portal():
    portal = Portal(published(*ROWS, VANISHING)).start()
    yield portal
    portal.stop()


@pytest.fixture(scope="module")
def loaded(tmp_path_factory, portal):
    with pipeline(tmp_path_factory.mktemp("catalog") / "home") as started:
        glue = boto3.client("glue")
        if not glue.get_databases()["DatabaseList"]:
            glue.create_database(DatabaseInput={"Name": started.settings.glue_database})
        run = started.run(portal.url, *YEARS)
        assert run.success, run.errors
        yield started


def keys(loaded) -> set[str]:
    pages = boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket=loaded.settings.s3_bucket)
    return {each["Key"] for page in pages for each in page.get("Contents", [])}


def job(loaded, name: str) -> dg.ExecuteInProcessResult:
    definitions = build_defs(Settings.from_environ())
    with dg.DagsterInstance.ephemeral() as instance:
        return definitions.resolve_job_def(name).execute_in_process(instance=instance, raise_on_error=False)


def test_the_warehouse_is_made_anew_from_s3_alone_row_for_row(loaded, portal):
    portal.republish(published(*ROWS))  # a member vanishes, and stays
    assert loaded.run(portal.url, *YEARS).success
    assert loaded.query("select count(*) from report.fund")[0][0] == 2
    before = loaded.state()
    for table in TABLES:
        loaded.execute(f"delete from {table.qualified}")
    loaded.execute("delete from report.publication")
    loaded.execute("drop table report.fund_evidence")
    assert job(loaded, "rebuild_warehouse").success
    assert loaded.state() == before


def unloaded(loaded, tables) -> dict[str, bytes]:
    """The bytes of every table as UNLOAD writes them to S3, by its key."""
    s3, bucket = boto3.client("s3"), loaded.settings.s3_bucket
    found = {}
    for table in tables:
        order = ", ".join(map(quoted, table.primary_key))
        loaded.execute(
            f"unload ('select * from {table.qualified} order by {order}') to 's3://{bucket}/unload/{table.name}_'"
            " iam_role default format csv header parallel off allowoverwrite"
        )
        found[table.name] = s3.get_object(Bucket=bucket, Key=f"unload/{table.name}_000")["Body"].read()
    return found


def test_a_rebuild_after_everything_was_dropped_unloads_byte_for_byte_the_same(loaded, portal):
    """All data is in S3; the log of runs is not: `load` tells of the rebuild alone, and `load_receipt` of no run."""
    assert loaded.run(portal.url, *YEARS).success
    tables = [table for table in (*TABLES, PUBLICATION) if loaded.query(f"select 1 from {table.qualified} limit 1")]
    assert set(STAR) < set(tables)
    before = unloaded(loaded, tables)
    loaded.execute("drop schema report cascade")
    assert job(loaded, "rebuild_warehouse").success
    assert unloaded(loaded, tables) == before
    assert loaded.query("select count(*) from report.load")[0][0] == 1
    assert loaded.run(portal.url, *YEARS).success


def test_a_rebuild_that_fails_leaves_the_warehouse_as_it_was(loaded, portal):
    before = loaded.state()
    (key,) = (key for key in keys(loaded) if key.startswith("transaction/fiscal_year=2018/"))
    s3, bucket = boto3.client("s3"), loaded.settings.s3_bucket
    content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    s3.delete_object(Bucket=bucket, Key=key)
    try:
        assert not job(loaded, "rebuild_warehouse").success
        assert loaded.state() == before
    finally:
        s3.put_object(Bucket=bucket, Key=key, Body=content)


def test_a_load_deletes_the_objects_that_it_supersedes_and_no_others(loaded, portal):
    s3, bucket = boto3.client("s3"), loaded.settings.s3_bucket
    s3.put_object(
        Bucket=bucket, Key="transaction/fiscal_year=2018/load_id=of-a-load-in-progress/part-000.csv.gz", Body=b""
    )
    s3.put_object(Bucket=bucket, Key="of/somebody-else", Body=b"")
    before = keys(loaded)
    portal.republish(published(*ROWS, {"fiscal_year": "2018", "amount": "1"}))
    run = loaded.run(portal.url, 2018)
    assert run.success, run.errors
    after = keys(loaded)
    gone = before - after
    assert gone and run.materialized["catalog/objects"]["objects_deleted"] == len(gone)
    for folder in ("transaction", "raw", "transaction_published"):
        of_folder = [key for key in gone if key.startswith(f"{folder}/")]
        assert len(of_folder) == 1 and of_folder[0].startswith(f"{folder}/fiscal_year=2018/")
    assert {"of/somebody-else"} < after
    assert any("of-a-load-in-progress" in key for key in after)
    assert job(loaded, "rebuild_warehouse").success


def test_nothing_is_deleted_when_the_load_fails(loaded, portal, monkeypatch):
    before = keys(loaded)
    portal.republish(published(*ROWS, {"fiscal_year": "2018", "amount": "2"}))
    run = loaded.run(portal.url, 2018, redshift_role="another-role")
    assert not run.success
    assert before <= keys(loaded)
    assert loaded.run(portal.url, 2018).success


def test_a_later_load_is_never_overwritten_by_an_earlier_one_and_writers_do_not_lose_each_other(loaded):
    from sf_transactions.resources.storage import Storage

    storage = Storage.model_construct(bucket=loaded.settings.s3_bucket, prefix="tests/")
    storage._client = boto3.client("s3")

    def part(year: str, at: str, of: str = "transaction") -> loaded_objects.Part:
        return loaded_objects.Part(of, year, f"s3://b/{at}", 1, "0", at, {})

    loaded_objects.take_over(storage, [part("2017", "2026-01-01"), part("2018", "2026-01-02")])
    current, _ = loaded_objects.take_over(storage, [part("2018", "2026-01-01"), part("2019", "2026-01-03")])
    assert [each.loaded_at for each in current] == ["2026-01-01", "2026-01-02", "2026-01-03"]
    before, etag = storage.find(loaded_objects.CURRENT)
    assert not storage.put_if_unchanged(loaded_objects.CURRENT, b"{}", '"another"')
    assert storage.put_if_unchanged(loaded_objects.CURRENT, before, etag)


def test_glue_has_a_table_for_every_kind_of_file_with_comments_partitions_and_rows(loaded, portal):
    run = loaded.run(portal.url, *YEARS)
    assert run.success, run.errors
    assert run.materialized["catalog/glue"]["registered"] is True
    glue, database = boto3.client("glue"), loaded.settings.glue_database
    tables = {each["Name"]: each for each in glue.get_tables(DatabaseName=database)["TableList"]}
    assert set(tables) == {"raw", *(table.name for table in TABLES)}
    for table in tables.values():
        columns = table["StorageDescriptor"]["Columns"]
        assert all(column["Comment"] for column in columns)
        assert not {column["Name"] for column in columns} & {key["Name"] for key in table["PartitionKeys"]}
    assert tables["raw"]["PartitionKeys"][0]["Name"] == "fiscal_year"
    rows = loaded.query("select fiscal_year, count(*) from report.transaction group by 1")
    partitions = glue.get_partitions(DatabaseName=database, TableName="raw")["Partitions"]
    assert {(int(each["Values"][0]), int(each["Parameters"]["numRows"])) for each in partitions} == set(rows)
    for each in partitions:
        folder = each["StorageDescriptor"]["Location"].removeprefix(f"s3://{loaded.settings.s3_bucket}/")
        assert f"{folder}transactions.parquet" in keys(loaded)
    again = loaded.run(portal.url, *YEARS)
    assert again.materialized["catalog/glue"]["changed"] == 0


def test_a_machine_without_files_takes_from_s3_what_is_still_published_and_fetches_the_rest(loaded, portal, tmp_path):
    portal.republish(published(*ROWS))
    assert loaded.run(portal.url, *YEARS).success
    portal.republish(published(*ROWS, {"fiscal_year": "2019", "amount": "7"}))
    portal.requests.clear()
    fresh = loaded.fresh_home(tmp_path / "home")
    run = fresh.run(portal.url, *YEARS, select="group:raw")
    assert run.success, run.errors
    assert "taken from S3, where they are what is still published: fiscal years 2017, 2018" in run.told
    assert list(run.materialized["raw/transactions"]["fetched"]) == ["2019"]
    for year in ("2017", "2018"):
        ours, theirs = (home.settings.home / f"raw/fiscal_year={year}" for home in (fresh, loaded))
        assert {file.name: file.read_bytes() for file in ours.iterdir()} == {
            file.name: file.read_bytes() for file in theirs.iterdir()
        }


def test_what_s3_does_not_give_the_portal_does(loaded, portal, tmp_path):
    fresh = loaded.fresh_home(tmp_path / "home")
    run = fresh.run(portal.url, *YEARS, select="group:raw", s3_bucket="bucket-of-nobody")
    assert run.success, run.errors
    assert "no fiscal year is taken from S3: there is no bucket bucket-of-nobody" in run.told
    assert len(run.materialized["raw/transactions"]["fetched"]) == 3


def test_the_catalog_tells_the_statement_by_which_redshift_reads_it(loaded, portal):
    run = loaded.run(portal.url, *YEARS)
    statement = external_schema(loaded.settings.glue_database)
    assert statement in run.materialized["catalog/glue"]["external_schema"]
    assert f"DATABASE '{loaded.settings.glue_database}'" in statement


def test_the_watermark_moves_with_what_was_published(loaded, portal):
    def watermark() -> dict[str, str]:
        table = boto3.client("glue").get_table(DatabaseName=loaded.settings.glue_database, Name="raw")["Table"]
        return {key: value for key, value in table["Parameters"].items() if key.startswith("sf_transactions.")}

    assert loaded.run(portal.url, *YEARS).success
    before = watermark()
    assert int(before["sf_transactions.rows_updated_at"]) <= time.time()
    portal.republish(published(*ROWS, {"fiscal_year": "2019", "amount": "3"}))
    assert loaded.run(portal.url, *YEARS).success
    assert watermark()["sf_transactions.fingerprint"] != before["sf_transactions.fingerprint"]


def test_the_object_that_names_the_others_is_refused_when_it_is_not_ours(loaded, portal):
    s3, bucket = boto3.client("s3"), loaded.settings.s3_bucket
    content = s3.get_object(Bucket=bucket, Key=loaded_objects.CURRENT)["Body"].read()
    assert json.loads(content)["parts"]
    s3.put_object(Bucket=bucket, Key=loaded_objects.CURRENT, Body=b"{}")
    try:
        run = loaded.run(portal.url, *YEARS, select="catalog/objects")
        assert any("is not what this project writes there" in error for error in run.errors), run.errors
    finally:
        s3.put_object(Bucket=bucket, Key=loaded_objects.CURRENT, Body=content)
