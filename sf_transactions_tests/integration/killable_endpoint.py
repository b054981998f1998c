"""An SQL endpoint in a process that can be killed at any moment, and started again over the same database file.

A process that has loaded its modules is forked for every start, which takes milliseconds. S3 is that of the
environment, unless a start names another.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from sf_transactions.settings import Settings


class KillableEndpoint:
    """Listens on one port of 127.0.0.1, also after it was killed and started again."""

    def __init__(self, file: Path, settings: Settings, role_arn: str) -> None:
        cluster = ("books", settings.redshift_database, settings.redshift_user, settings.redshift_password, [role_arn])
        self.port, self.pid, self.file = 0, 0, file
        self._parent = subprocess.Popen(
            [sys.executable, "-m", __name__, str(file), json.dumps(cluster)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "KillableEndpoint":
        self.start()
        return self

    def start(self, s3_url: str | None = None) -> None:
        """Returns when the port answers; what was killed has ended by then. COPY may read from another S3."""
        assert self._parent.stdin and self._parent.stdout
        print(json.dumps([self.port, s3_url]), file=self._parent.stdin, flush=True)
        told = self._parent.stdout.readline()
        if not told.strip():
            raise RuntimeError("the endpoint does not start")
        self.pid, self.port = map(int, told.split())

    def kill(self) -> None:
        """Ends the process at once; returns when it has ended."""
        with contextlib.suppress(ProcessLookupError):  # it has ended already, and its parent knows
            os.kill(self.pid, signal.SIGKILL)
        while self.runs():
            time.sleep(0.001)

    def runs(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._parent.communicate()


def _main(file: str, cluster: str) -> None:
    import boto3
    import duckdb  # noqa: F401 - loaded once, before the first fork
    import pyarrow.csv  # noqa: F401

    from sf_transactions.ddl import create_view, schema_statements, views
    from sf_transactions.local.redshift.dialect import translate

    boto3.client("s3")  # a second one is made in a tenth of the time
    for statement in [*schema_statements(), *map(create_view, views())]:
        translate(statement)  # as a server that has run for a while knows them
    for line in sys.stdin:
        if pid := os.fork():
            _, status = os.waitpid(pid, 0)
            if os.WIFEXITED(status):
                print(flush=True)  # it did not start
        else:
            _serve(Path(file), json.loads(cluster), *json.loads(line))


def _serve(file: Path, cluster: list, port: int, s3_url: str | None) -> None:
    import boto3
    from botocore.config import Config

    from sf_transactions.local.redshift.server import Cluster, RedshiftEndpoint

    s3 = boto3.client("s3", endpoint_url=s3_url, config=Config(retries={"max_attempts": 0}))
    *names, roles = cluster
    endpoint = RedshiftEndpoint(file, lambda: [Cluster(*names, tuple(roles))], lambda: s3, port)
    endpoint.start()
    print(os.getpid(), endpoint.port, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    _main(*sys.argv[1:])
