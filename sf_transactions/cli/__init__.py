"""`sf-transactions`: the short way to the stand-ins, the AWS resources, the warehouse and the demo."""

import click

from sf_transactions.cli import aws, keys, local, report, warehouse

# Errors that say in one sentence what is wrong and what to do; anything else is a fault of ours and shows its trace.
ONE_LINE = (
    "SettingsError",
    "ProvisionError",
    "NotProvisioned",
    "TransferError",
    "WarehouseError",
    "LocalError",
    "HomeError",
)


class OneLineErrors(click.Group):
    def invoke(self, ctx: click.Context):
        try:
            return super().invoke(ctx)
        except Exception as error:
            if type(error).__name__ in ONE_LINE:
                raise click.ClickException(str(error)) from None
            raise


@click.group(cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sf-transactions")
def main() -> None:
    """San Francisco's published spending and revenue, from the portal to the warehouse."""


for command in (
    local.demo,
    local.dev,
    local.local,
    warehouse.query,
    report.report,
    aws.plan,
    aws.provision,
    aws.teardown,
    aws.permissions,
    aws.doctor,
    keys.keys,
):
    main.add_command(command)
