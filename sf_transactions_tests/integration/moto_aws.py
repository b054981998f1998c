"""moto on loopback for a test, and the environment that leads boto3 to it."""

import contextlib
from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer


@contextlib.contextmanager
def moto_aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Starts moto with empty state and points the environment at it. Gives its URL."""
    from moto.backends import get_backend

    for service in ("s3", "iam", "transfer", "redshift", "ec2", "sts"):
        get_backend(service).reset()  # the state is the process's, not the server's
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    for name, value in {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-west-2",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    try:
        yield url
    finally:
        server.stop()
