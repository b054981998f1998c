"""Starts, stops and describes the stand-ins of a home, which run in the background."""

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from sf_transactions.local.ports import Ports, ports, ports_to_start_on
from sf_transactions.local.standins import sample_rows
from sf_transactions.provision.apply import provision
from sf_transactions.settings import Settings

PROC = Path("/proc")
BOOT_ID = PROC / "sys" / "kernel" / "random" / "boot_id"
START_SECONDS = 120
STOP_SECONDS = 30
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


class LocalError(RuntimeError):
    """The stand-ins cannot be started or stopped; the message says why and where to look."""


def up(settings: Settings) -> Ports:
    """Starts the stand-ins unless they run, waits until every port answers, and provisions them. Gives the ports.

    moto forgets at restart, so they are provisioned at each start, by the code that provisions AWS.
    """
    sample_rows(settings)
    with _lock(settings.home):
        if running(settings):
            chosen = ports(settings.home)
        else:
            chosen = ports_to_start_on(settings.home)
            _spawn(settings)
        _wait(settings, chosen)
        with _environment(environment(settings)):
            provision(Settings.from_environ(), say=lambda line: None)
        return chosen


def down(settings: Settings) -> None:
    """Ends the stand-ins of this home, and waits until they have ended."""
    with _lock(settings.home):
        pid = _pid(settings.home)
        # What it holds survives a kill: the warehouse's log is replayed at the next start.
        if pid is not None and not any(_ended(settings.home, pid, how) for how in (signal.SIGTERM, signal.SIGKILL)):
            raise LocalError(f"process {pid} does not end; see {_log(settings.home)}")
        _pid_file(settings.home).unlink(missing_ok=True)


def _ended(home: Path, pid: int, number: signal.Signals) -> bool:
    """Sends the signal; whether the process ended within STOP_SECONDS."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
    deadline = time.monotonic() + STOP_SECONDS
    while _pid(home) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def running(settings: Settings) -> bool:
    return _pid(settings.home) is not None


def status(settings: Settings) -> dict[str, str]:
    """What runs, and where: a line for each stand-in."""
    pid = _pid(settings.home)
    if pid is None:
        return {"stand-ins": "not running; start them with `sf-transactions local up`"}
    chosen = ports(settings.home)
    return {"process": f"{pid}, log {_log(settings.home)}"} | {
        name: f"127.0.0.1:{port}{'' if _answers(port) else ' does not answer'}" for name, port in chosen.named().items()
    }


def environment(settings: Settings) -> dict[str, str]:
    """The settings that point at the stand-ins, all that `provision --yes` needs included."""
    chosen = ports(settings.home)
    return {
        "SF_TRANSACTIONS_HOME": str(settings.home),
        "DAGSTER_HOME": os.environ.get("DAGSTER_HOME") or str(settings.home / "dagster"),
        # Dagster stores an event for every partition of every asset; in batches that takes half the time.
        "DAGSTER_EVENT_BATCH_SIZE": "100",
        "DATASF_BASE_URL": chosen.portal_url,
        "AWS_ENDPOINT_URL": chosen.aws_url,
        "AWS_DEFAULT_REGION": chosen.region,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ACCOUNT_ID": "123456789012",  # moto's, so that what a shell says of another is not taken for it
        "S3_BUCKET": "sf-transactions-local",
        "SFTP_USERNAME": "sf-transactions",
        "SFTP_HOST": "127.0.0.1",
        "SFTP_PORT": str(chosen.sftp),
        "REDSHIFT_CLUSTER": "sf-transactions",
        "REDSHIFT_DATABASE": "san_francisco",
        "REDSHIFT_USER": "sf_transactions",
        "REDSHIFT_PASSWORD": chosen.password,
        "REDSHIFT_HOST": "127.0.0.1",
        "REDSHIFT_PORT": str(chosen.redshift),
        "REDSHIFT_SSL": "false",
        "REDSHIFT_CIDR": "127.0.0.1/32",
        **_against_diversions(chosen),
    }


def _against_diversions(chosen: Ports) -> dict[str, str]:
    """What is set in this environment and would lead boto3 past the stand-ins, to AWS or to a proxy."""
    diverted = {
        name: chosen.aws_url
        for name, value in os.environ.items()
        if name.startswith("AWS_ENDPOINT_URL_") and value  # of one service; counts more than AWS_ENDPOINT_URL
    }
    if os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"):
        diverted["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "false"
    if any(os.environ.get(name) for proxy in PROXIES for name in (proxy, proxy.lower())):
        direct = [os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "", "127.0.0.1"]
        diverted["NO_PROXY"] = diverted["no_proxy"] = ",".join(dict.fromkeys(",".join(direct).strip(",").split(",")))
    return diverted


def _spawn(settings: Settings) -> None:
    log = _log(settings.home)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "sf_transactions.local"],
            env={**os.environ, **environment(settings), "SF_TRANSACTIONS_SAMPLE_ROWS": settings.sample_rows},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _pid_file(settings.home).write_text(f"{process.pid} {_started(process.pid)}", encoding="utf-8")


def _wait(settings: Settings, chosen: Ports) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        answering = all(map(_answers, chosen.named().values()))
        if not running(settings):  # asked afterwards, so that another process on these ports is not taken for it
            raise LocalError(f"the stand-ins ended at once; see the end of {_log(settings.home)}")
        if answering:
            return
        if time.monotonic() > deadline:
            raise LocalError(f"the stand-ins do not answer after {START_SECONDS} s; see {_log(settings.home)}")
        time.sleep(0.05)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _pid(home: Path) -> int | None:
    """The running process of this home. When it started is kept too, so that a reused number is not mistaken for it."""
    try:
        pid, started = _pid_file(home).read_text(encoding="utf-8").split(maxsplit=1)
    except (FileNotFoundError, ValueError):
        return None
    if not pid.isdigit():
        return None
    # A weekday first: written from `ps`, by an earlier version or on a machine without /proc.
    now = _started(int(pid)) if started[0].isdigit() else _started_by_ps(int(pid))
    if now == started:
        return int(pid)
    with contextlib.suppress(ChildProcessError):  # a child of this very process stays a zombie until it is waited for
        os.waitpid(int(pid), os.WNOHANG)
    return None


def _started(pid: int) -> str | None:
    """When a process started, in words that stay the same as long as it runs, or None when there is none."""
    return _started_in_proc(pid) if BOOT_ID.exists() else _started_by_ps(pid)


def _started_in_proc(pid: int) -> str | None:
    """Linux, where a small machine may have no `ps`: ticks since the boot, and which boot."""
    try:
        after_name = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
        boot = BOOT_ID.read_text(encoding="utf-8").strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *numbers = after_name.split()
    threads, started = int(numbers[16]), numbers[18]
    # One whose first thread has ended already holds its files and ports as long as another thread runs.
    return None if state in ("Z", "X") and threads <= 1 else f"{started} {boot}"


def _started_by_ps(pid: int) -> str | None:
    told = subprocess.run(["ps", "-o", "lstart=,stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    words = told.stdout.split()
    return " ".join(words[:-1]) if words and not words[-1].startswith("Z") else None


def _pid_file(home: Path) -> Path:
    return home / "local" / "pid"


def _log(home: Path) -> Path:
    return home / "logs" / "local.log"


@contextlib.contextmanager
def _lock(home: Path) -> Iterator[None]:
    """One start or stop at a time; a second waits."""
    path = home / "local" / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """boto3 and the settings read the environment: it is set for the length of a call."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
