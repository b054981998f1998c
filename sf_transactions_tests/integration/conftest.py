"""For the tests of the SQL endpoint: one with a bucket, and the stand-in or a real cluster."""

import boto3
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from sf_transactions.local.aws import reset
from sf_transactions.local.redshift.server import RedshiftEndpoint
from sf_transactions.resources.warehouse import Warehouse
from sf_transactions.settings import Settings
from sf_transactions_tests.integration.redshift import BUCKET, CLUSTER, CLUSTER_TOO, STAND_IN, Bucket, ask, session


@pytest.fixture(scope="module")
def bucket():
    reset()  # what another module left in this process
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-west-2",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=10),
    )
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    yield Bucket(client)
    server.stop()


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory, bucket):
    endpoint = RedshiftEndpoint(
        tmp_path_factory.mktemp("redshift") / "warehouse.duckdb", lambda: [CLUSTER], lambda: bucket.client
    )
    endpoint.start()
    yield endpoint
    endpoint.stop()


@pytest.fixture(scope="module", params=CLUSTER_TOO)
def anywhere(request):
    """Opens sessions: on the stand-in, or in a database of a real cluster that has no schema `report` yet."""
    if request.param == STAND_IN:
        endpoint = request.getfixturevalue("endpoint")
        yield lambda: session(endpoint)
        return
    if "cluster" not in request.config.getoption("-m").replace("not cluster", ""):
        pytest.skip("a real cluster is asked with -m cluster, and the settings REDSHIFT_* of an empty database")
    warehouse = Warehouse.from_settings(Settings.from_environ())
    with warehouse.connect() as connection:
        if ask(connection, "select 1 from pg_namespace where nspname = 'report'"):
            pytest.fail("the database that REDSHIFT_DATABASE names has a schema report: name an empty one")
        ask(connection, "create schema report")
        connection.commit()
        yield warehouse.connect
        connection.rollback()
        ask(connection, "drop schema report cascade")
        connection.commit()
