"""The AWS resources: `plan`, `provision`, `teardown`, `permissions`, `doctor`; the same code as the Dagster jobs."""

import click

from sf_transactions.settings import Settings


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The plan as JSON, and nothing else.")
def plan(as_json: bool) -> None:
    """Show what `provision` would do on AWS. Exits 0 when there is nothing to do, 2 when there is."""
    from sf_transactions.provision.plan import plan as make_plan

    found = make_plan(Settings.from_environ())
    _show(found, as_json)
    raise SystemExit(2 if found.changes else 0)


def _show(found, as_json: bool = False) -> None:
    import json

    for line in [json.dumps(found.as_json(), indent=2)] if as_json else found.lines():
        click.echo(line)


@click.command()
@click.option("--yes", is_flag=True, help="Ask nothing.")
def provision(yes: bool) -> None:
    """Make the AWS resources, or bring them to what they should be."""
    from sf_transactions.provision.apply import provision as apply
    from sf_transactions.provision.plan import plan as make_plan

    settings = Settings.from_environ()
    if not yes:
        found = make_plan(settings)
        _show(found)
        if found.changes:
            click.confirm("Make these changes?", abort=True)
    made = apply(settings, say=click.echo)
    click.echo(f"SFTP      {made.sftp_host}:{made.sftp_port}, host key {made.fingerprint}")
    click.echo(f"          {made.sftp_command}")
    click.echo(f"Redshift  {made.redshift_host}:{made.redshift_port}/{settings.redshift_database}")


@click.command()
@click.option("--yes", is_flag=True, help="Ask nothing.")
@click.option("--keep-bucket", is_flag=True, help="Leave the bucket and what it holds.")
@click.option("--final-snapshot", is_flag=True, help="Take a last snapshot of the warehouse.")
def teardown(yes: bool, keep_bucket: bool, final_snapshot: bool) -> None:
    """Delete the AWS resources that carry this project's tag, and nothing else."""
    from sf_transactions.provision.destroy import Keep, preview
    from sf_transactions.provision.destroy import teardown as destroy

    settings, keep = Settings.from_environ(), Keep(bucket=keep_bucket, snapshot=final_snapshot)
    if not yes:
        bucket = settings.required("s3_bucket")
        doomed = preview(settings, keep)
        if not doomed:
            click.echo("nothing of this project is there")
        for line in doomed:
            click.echo(line)
        if doomed and click.prompt(f"This cannot be undone. Write {bucket} to delete all of it") != bucket:
            raise click.ClickException(f"that is not {bucket}: nothing was deleted")
    destroy(settings, click.echo, keep)


@click.command()
def permissions() -> None:
    """Print the smallest IAM policies, as JSON by name: for who provisions and tears down, and for who runs."""
    import json

    from sf_transactions.provision.permissions import documents
    from sf_transactions.provision.plan import without_keys
    from sf_transactions.provision.running import run_document

    _, want = without_keys(Settings.from_environ())
    click.echo(json.dumps({**documents(want), "sf-transactions-run": run_document(want)}, indent=2))


@click.command()
def doctor() -> None:
    """Try the whole chain: credentials, resources, bucket, SFTP, SQL, COPY. Exits 1 when a link is broken."""
    from sf_transactions.doctor import examine

    broken = False
    for finding in examine(Settings.from_environ()):
        sign = {True: "ok", False: "WRONG", None: "-"}[finding.stands]
        click.echo(f"{sign:<6} {finding.link:<12} {finding.told}")
        broken |= finding.stands is not True
    raise SystemExit(1 if broken else 0)
