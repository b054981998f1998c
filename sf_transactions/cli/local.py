"""The stand-ins, and what runs over them: `local`, `demo`, `dev`. No other command knows `sf_transactions.local`."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from sf_transactions.settings import Settings


@click.group()
def local() -> None:
    """Stand-ins for AWS and DataSF on this machine."""


@local.command("up")
def local_up() -> None:
    """Start the stand-ins in the background and provision them; returns when every port answers."""
    from sf_transactions.local import control

    settings = Settings.from_environ()
    control.up(settings)
    _dagster_home(control.environment(settings))
    _show_status(settings)


@local.command("down")
def local_down() -> None:
    """Stop the stand-ins; ports and warehouse stay for the next start."""
    from sf_transactions.local import control

    control.down(Settings.from_environ())


@local.command("status")
def local_status() -> None:
    """Say what runs, and where."""
    _show_status(Settings.from_environ())


@local.command("env")
def local_env() -> None:
    """Print the settings that point at the stand-ins: eval "$(sf-transactions local env)"."""
    import shlex

    from sf_transactions.local import control

    for name, value in control.environment(Settings.from_environ()).items():
        click.echo(f"export {name}={shlex.quote(value)}")


def _show_status(settings: Settings) -> None:
    from sf_transactions.local import control

    for name, where in control.status(settings).items():
        click.echo(f"{name:<10} {where}")


@click.command()
def demo() -> None:
    """The whole pipeline over the stand-ins: start, provision, materialize, check, summarise, stop."""
    from sf_transactions.demo import run

    with _standins() as environment:
        raise SystemExit(run(environment))


@click.command()
@click.option("--port", default=3000, show_default=True)
def dev(port: int) -> None:
    """Dagster's UI over the stand-ins, until Ctrl-C."""
    import signal
    import subprocess

    def end(*_) -> None:
        raise KeyboardInterrupt

    # `kill` ends it as Ctrl-C does, so that nothing it started is left running.
    signal.signal(signal.SIGTERM, end)
    command = [sys.executable, "-m", "dagster", "dev", "-m", "sf_transactions", "--port", str(port)]
    command += ["--host", "127.0.0.1"]
    with _standins() as environment, subprocess.Popen(command, env=environment, start_new_session=True) as process:
        try:
            process.wait()
        except KeyboardInterrupt:
            click.echo("stopping")
            # Dagster's processes are a group of their own: all are told, and none is left behind.
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


class _standins:
    """The stand-ins for the length of a command; stopped afterwards if this command started them.

    A portal the user chose stays chosen.
    """

    def __enter__(self) -> dict[str, str]:
        from sf_transactions.local import control

        self.settings = Settings.from_environ()
        self.started = not control.running(self.settings)
        control.up(self.settings)
        chosen = {name: value for name in ("DATASF_BASE_URL",) if (value := os.environ.get(name))}
        environment = {**os.environ, **control.environment(self.settings), **chosen}
        _dagster_home(environment)
        return environment

    def __exit__(self, *_) -> None:
        from sf_transactions.local import control

        if self.started:
            control.down(self.settings)


DAGSTER_YAML = """\
telemetry:
  enabled: false
nux:
  enabled: false
event_log_storage:
  module: sf_transactions.local.event_log
  class: BatchedSqliteEventLogStorage
  config:
    base_dir: {base_dir}
"""


def _dagster_home(environment: Mapping[str, str]) -> None:
    """Dagster's own home; made by us it sends no telemetry, asks for no newsletter and stores events in batches."""
    import json

    folder = Path(environment["DAGSTER_HOME"])
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "dagster.yaml"
    if not config.exists():
        quoted = json.dumps(str(folder / "history" / "runs"))  # a JSON text is YAML, whatever is in a folder's name
        config.write_text(DAGSTER_YAML.format(base_dir=quoted), encoding="utf-8")
