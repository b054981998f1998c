"""The SQL endpoint in a process of its own: `python -m bench.endpoint FILE` prints its port and serves until ended."""

import sys
from pathlib import Path

import boto3

from bench.process import load_modules
from sf_transactions.local.redshift.server import Cluster, RedshiftEndpoint
from sf_transactions.provision.lookup import redshift_role_arn
from sf_transactions.settings import Settings


def main(file: str) -> None:
    load_modules("isal.igzip", "pyarrow.compute", "pyarrow.csv")  # for COPY
    settings, s3 = Settings.from_environ(), boto3.client("s3")
    assert settings.redshift_password
    login = (settings.redshift_database, settings.redshift_user, settings.redshift_password)
    cluster = Cluster("bench", *login, (redshift_role_arn(settings),))
    endpoint = RedshiftEndpoint(Path(file), lambda: [cluster], lambda: s3)
    endpoint.start()
    print(endpoint.port, flush=True)
    sys.stdin.read()
    endpoint.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
