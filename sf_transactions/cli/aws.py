"""The AWS resources: `plan`, `provision`, `teardown`; the same code as the Dagster jobs."""

import click

from sf_transactions.settings import Settings


@click.command()
def plan() -> None:
    """Show what `provision` would do on AWS. Exits 0 when there is nothing to do, 2 when there is."""
    from sf_transactions.provision.plan import plan as make_plan

    found = make_plan(Settings.from_environ())
    for line in found.lines():
        click.echo(line)
    raise SystemExit(2 if found.changes else 0)


@click.command()
@click.option("--yes", is_flag=True, help="Ask nothing.")
def provision(yes: bool) -> None:
    """Make the AWS resources, or bring them to what they should be."""
    from sf_transactions.provision.apply import provision as apply
    from sf_transactions.provision.plan import plan as make_plan

    settings = Settings.from_environ()
    found = make_plan(settings)
    for line in found.lines():
        click.echo(line)
    if found.changes and not yes:
        click.confirm("Make these changes?", abort=True)
    made = apply(settings, say=click.echo)
    click.echo(
        f"SFTP      sftp -P {made.sftp_port} -i {settings.home / 'keys' / 'client_key'} "
        f"{settings.sftp_username}@{made.sftp_host}"
    )
    click.echo(f"Redshift  {made.redshift_host}:{made.redshift_port}/{settings.redshift_database}")


@click.command()
@click.option("--yes", is_flag=True, help="Ask nothing.")
def teardown(yes: bool) -> None:
    """Delete the AWS resources that carry this project's tag, and nothing else."""
    from sf_transactions.provision.destroy import teardown as destroy

    if not yes:
        click.confirm("Delete the cluster, the SFTP server and the bucket with all it holds?", abort=True)
    destroy(Settings.from_environ(), say=click.echo)
