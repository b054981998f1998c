"""The whole run over the stand-ins, portal to dashboard, and its floors."""

import contextlib
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.inputs import Input
from bench.process import Took, command, work
from bench.stages import Measured, address, curl, portal

RESTATED = "2024"
PLAIN = "telemetry: {enabled: false}\n"  # dagster.yaml of an instance as Dagster comes


def whole(once: Input, ten: Input, scratch: Path, rounds: int) -> Measured:
    """Each round on a fresh home: everything, nothing changed, and one fiscal year restated."""
    for number in range(rounds):
        with portal(once) as process, _standins(scratch / f"home-{number}", address(process)) as environment:
            years = sorted(path.stem for path in once.csv.glob("*.csv"))
            yield "curl of the same pages", curl(environment["DATASF_BASE_URL"], once, scratch)
            yield "typed read", work("read", once.csv)
            yield "whole run", _materialize(environment, "sf_transactions", years[0], years[-1])
            yield "nothing changed", _materialize(environment, "sf_transactions", years[0], years[-1])
            yield "empty job", _materialize(environment, "bench.empty", years[0], years[-1])
            star = Path(environment["SF_TRANSACTIONS_HOME"]) / "star"
            yield "OpenSSH sftp of the same files", _openssh(environment, star)
            yield "upload", _upload(environment, star)
            yield "DuckDB reading the same files", work("duckdb_read", star)
            yield "load", _load(environment, scratch / f"load-{number}.duckdb")
            _restate(process)
            yield "refresh of one year", _materialize(environment, "sf_transactions", RESTATED, RESTATED)
            yield "empty job of one year", _materialize(environment, "bench.empty", RESTATED, RESTATED)
            plain = environment | {"DAGSTER_HOME": str(_plain_dagster(scratch / f"dagster-{number}"))}
            yield "empty job, Dagster as it comes", _materialize(plain, "bench.empty", years[0], years[-1])


def _plain_dagster(home: Path) -> Path:
    """A home of Dagster's with Dagster's own storage, as anyone has who installs it."""
    home.mkdir()
    (home / "dagster.yaml").write_text(PLAIN, encoding="utf-8")
    return home


def _materialize(environment: Mapping[str, str], module: str, first: str, last: str) -> Took:
    words = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", module, "--select", "*"]
    return command([*words, "--partition-range", f"{first}...{last}"], environment)


@contextlib.contextmanager
def _standins(home: Path, url: str) -> Iterator[dict[str, str]]:
    """The stand-ins with this home, and the settings that point at them and at the portal."""
    chosen = {"SF_TRANSACTIONS_HOME": str(home), "SF_TRANSACTIONS_SAMPLE_ROWS": "100"}
    program = [sys.executable, "-c", "from sf_transactions.cli import main; main()", "local"]
    subprocess.run([*program, "up"], env=os.environ | chosen, check=True, stdout=subprocess.DEVNULL)
    try:
        printed = subprocess.run(
            [*program, "env"], env=os.environ | chosen, check=True, stdout=subprocess.PIPE, text=True
        )
        settings = [line.removeprefix("export ").split("=", 1) for line in printed.stdout.splitlines()]
        yield os.environ | {name: shlex.split(value)[0] for name, value in settings} | {"DATASF_BASE_URL": url}
    finally:
        subprocess.run([*program, "down"], env=os.environ | chosen, check=True)


def _load(environment: Mapping[str, str], file: Path) -> Took:
    """The files of the star from S3 into an empty warehouse, over an SQL endpoint in a process of its own."""
    words = [sys.executable, "-m", "bench.endpoint", str(file)]
    with subprocess.Popen(words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as endpoint:
        assert endpoint.stdout
        port = endpoint.stdout.readline().strip()
        try:
            home = environment["SF_TRANSACTIONS_HOME"]
            return work("load", home, str(endpoint.pid), environment={**environment, "REDSHIFT_PORT": port})
        finally:
            endpoint.communicate()


def _restate(process: subprocess.Popen[str]) -> None:
    assert process.stdin and process.stdout
    process.stdin.write(f"{RESTATED}\n")
    process.stdin.flush()
    process.stdout.readline()


def _openssh(environment: Mapping[str, str], folder: Path) -> Took:
    """The files of the star by OpenSSH's client, over one connection."""
    home = Path(environment["SF_TRANSACTIONS_HOME"])
    batch = home / "batch"
    puts = [f"put {path} /{_remote(folder, path, 'openssh')}" for path in _files(folder)]
    batch.write_text("\n".join(puts) + "\n", encoding="utf-8")
    host, port = environment["SFTP_HOST"], environment["SFTP_PORT"]
    known = home / "bench_known_hosts"
    known.write_text(
        f"[{host}]:{port} {(home / 'keys' / 'host_key.pub').read_text(encoding='utf-8')}", encoding="utf-8"
    )
    words = [
        "sftp",
        "-q",
        "-b",
        batch,
        "-P",
        port,
        "-i",
        home / "keys" / "client_key",
        "-o",
        f"UserKnownHostsFile={known}",
    ]
    return command([*words, f"{environment['SFTP_USERNAME']}@{host}"])


def _upload(environment: Mapping[str, str], folder: Path) -> Took:
    """The same by ours."""
    program = "import sys; from bench.pipeline import upload; upload(sys.argv[1])"
    return command([sys.executable, "-c", program, folder], environment)


def upload(folder: str) -> None:
    """Puts the files of a folder through the product's own door."""
    from sf_transactions.resources.transfer import Transfer
    from sf_transactions.settings import Settings

    settings = Settings.from_environ()
    door = Transfer(
        host=settings.sftp_host,
        port=settings.port("sftp_port"),
        username=settings.sftp_username,
        client_key_path=str(settings.home / "keys" / "client_key"),
        host_key_path=str(settings.home / "keys" / "host_key.pub"),
    )
    with door.connect() as sftp:
        for path in _files(Path(folder)):
            sftp.put(path, f"/{_remote(Path(folder), path, 'ours')}")


def _files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.csv.gz"))


def _remote(folder: Path, path: Path, by: str) -> str:
    """A name of its own: a flat one, so that OpenSSH's client need not make folders."""
    return f"bench-{by}-" + "-".join(path.relative_to(folder).parts)
