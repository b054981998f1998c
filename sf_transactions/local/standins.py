"""All stand-ins in one process: AWS's APIs (moto), SFTP, Redshift's SQL endpoint and the portal."""

import faulthandler
import importlib
import logging
import os
import signal
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sf_transactions.local.ports import Ports
from sf_transactions.settings import Settings, SettingsError

log = logging.getLogger("sf_transactions.local")

END_SECONDS = 15


def serve(settings: Settings, ports: Ports) -> None:
    """Runs the stand-ins on their ports until the process is told to end."""
    told, tell = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.write(tell, b"."))  # an Event would deadlock when interrupted in its wait
    for name, value in {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}.items():
        os.environ[name] = value
    # One client for all threads: a client may be shared between threads, making one may not.
    s3 = _client("s3", ports)
    endpoints = [
        _aws(ports),
        _sftp(ports, lambda: s3),
        _redshift(settings, ports, lambda: s3),
        _portal(settings, ports),
    ]
    log.info("the stand-ins answer on %s", ports)
    os.read(told, 1)
    # An endpoint that does not end in time says where each of its threads stands, and ends with the process.
    faulthandler.dump_traceback_later(END_SECONDS, exit=True)
    for endpoint in reversed(endpoints):
        endpoint.stop()


def _client(service: str, ports: Ports) -> Any:
    import boto3

    return boto3.client(service, endpoint_url=ports.aws_url, region_name=ports.region)


def _aws(ports: Ports) -> Any:
    from sf_transactions.local.aws import AwsEndpoint

    # What is slow to load is loaded while the other endpoints start; machine images are not needed at all.
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    endpoint = AwsEndpoint(ports.aws).start()
    threading.Thread(target=lambda: importlib.import_module("moto.ec2.models"), name="warm", daemon=True).start()
    return endpoint


def _state(service: Any, ports: Ports) -> Any:
    """The stand-in's own state of a service, which knows what AWS tells nobody: host keys and passwords."""
    from moto.core import DEFAULT_ACCOUNT_ID

    return service[DEFAULT_ACCOUNT_ID][ports.region]


def _sftp(ports: Ports, s3: Callable[[], Any]) -> Any:
    from moto.transfer.models import transfer_backends

    from sf_transactions.local.aws import functions
    from sf_transactions.local.aws.transfer import active_host_keys
    from sf_transactions.local.transfer import SftpEndpoint, SftpServer, SftpUser

    def provider(server: Any) -> Any:
        function = server.identity_provider_details.get("function")
        return partial(functions.invoke, function) if server.identity_provider_type == "AWS_LAMBDA" else None

    def servers() -> list[SftpServer]:
        return [
            SftpServer(
                server.server_id,
                tuple(active_host_keys(server)),
                tuple(
                    SftpUser(
                        user.user_name,
                        tuple(key["ssh_public_key_body"] for key in user.ssh_public_keys),
                        tuple((each["entry"], each["target"]) for each in user.home_directory_mappings),
                    )
                    for user in server._users
                ),
                provider(server),
            )
            for server in _state(transfer_backends, ports).servers.values()
            if server.state == "ONLINE"
        ]

    endpoint = SftpEndpoint(servers, s3, ports.sftp)
    endpoint.start()
    return endpoint


def _redshift(settings: Settings, ports: Ports, s3: Callable[[], Any]) -> Any:
    from moto.redshift.models import redshift_backends

    from sf_transactions.local.aws import serverless
    from sf_transactions.local.aws.redshift import logins
    from sf_transactions.local.redshift.server import Cluster, RedshiftEndpoint

    def workgroups() -> list[Cluster]:
        state = _state(serverless.serverless_backends, ports)
        return [
            Cluster(
                workgroup["workgroupName"],
                namespace["dbName"],
                user,
                password,
                tuple(namespace["iamRoles"]),
            )
            for workgroup in state.workgroups.values()
            for namespace in (state.namespaces[workgroup["namespaceName"]],)
            for user, password in serverless.logins(state, workgroup).items()
        ]

    def clusters() -> list[Cluster]:
        return workgroups() + [
            Cluster(
                cluster.cluster_identifier,
                cluster.db_name,
                user,
                password,
                tuple(cluster.iam_roles_arn),
            )
            for cluster in _state(redshift_backends, ports).clusters.values()
            for user, password in logins(cluster).items()
        ]

    endpoint = RedshiftEndpoint(settings.home / "warehouse.duckdb", clusters, s3, ports.redshift)
    endpoint.start()
    return endpoint


def _portal(settings: Settings, ports: Ports) -> Any:
    import pyarrow.parquet as pq

    from sf_transactions.local.portal import Portal
    from sf_transactions.local.sample import generate

    rows = sample_rows(settings)
    kept = settings.home / "local" / f"sample-{rows}-{_version_of_the_sample()}.parquet"
    if kept.exists():
        table = pq.read_table(kept)
    else:
        table = generate(rows)
        kept.parent.mkdir(parents=True, exist_ok=True)
        incoming = kept.with_suffix(".incoming")
        pq.write_table(table, incoming)
        incoming.replace(kept)
    return Portal(table, ports.portal).start()


def sample_rows(settings: Settings) -> int:
    """How many rows the sample has. Raises SettingsError."""
    if not settings.sample_rows.isdigit() or int(settings.sample_rows) < 1:
        raise SettingsError(f"SF_TRANSACTIONS_SAMPLE_ROWS is {settings.sample_rows!r}: write a number of rows")
    return int(settings.sample_rows)


def _version_of_the_sample() -> str:
    """A hash of the code that generates the sample, so that a kept one is not taken for that of newer code."""
    import hashlib

    from sf_transactions.local import sample

    sources = sorted(Path(sample.__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:8]
