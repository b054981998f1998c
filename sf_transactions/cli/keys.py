"""The SSH keys of this home: `keys show`, `keys make`, `keys rotate`."""

import click

from sf_transactions.settings import Settings

ALGORITHM = click.option(
    "--type",
    "algorithm",
    type=click.Choice(["ed25519", "rsa"]),
    default="ed25519",
    show_default=True,
    help="ed25519, or RSA of 4096 bits in PEM.",
)


@click.group()
def keys() -> None:
    """The client key, which logs in, and the server's host key, which is pinned."""


@keys.command()
def show() -> None:
    """Tell where the keys are and their fingerprints."""
    from sf_transactions.provision.keys import Keys, fingerprint

    found = Keys(Settings.from_environ().home / "keys")
    for name, path in (("client key", found.client_key), ("host key", found.host_key)):
        if not path.exists():
            click.echo(f"{name:<11} not there; `sf-transactions keys make` or `provision` makes it")
            continue
        public = found.client_public if path == found.client_key else found.host_public
        click.echo(f"{name:<11} {fingerprint(public)} {public.split()[0]} {path}")


@keys.command()
@ALGORITHM
def make(algorithm: str) -> None:
    """Make the keys that are missing; what is there stays."""
    from sf_transactions.provision.keys import ensure_keys

    ensure_keys(Settings.from_environ().home, algorithm)
    click.get_current_context().invoke(show)


@keys.command()
@click.argument("which", type=click.Choice(["client", "host"]))
@ALGORITHM
def rotate(which: str, algorithm: str) -> None:
    """Put a new key in the place of the old one, on AWS and here, without a moment in which a login fails."""
    from sf_transactions.rotation import rotate_client_key, rotate_host_key

    {"client": rotate_client_key, "host": rotate_host_key}[which](Settings.from_environ(), algorithm, click.echo)
