"""`provision_aws` and `teardown_aws`: the same code as the CLI, as Dagster jobs."""

import dagster as dg

from sf_transactions.settings import Settings


@dg.op(description="Makes the AWS resources, or brings them to what they should be.")
def provision_resources(context: dg.OpExecutionContext) -> None:
    from sf_transactions.provision.apply import provision

    made = provision(Settings.from_environ(), say=context.log.info)
    context.add_output_metadata(
        {
            "sftp": f"{made.sftp_host}:{made.sftp_port}",
            "redshift": f"{made.redshift_host}:{made.redshift_port}",
            "host_key_fingerprint": made.fingerprint,
        }
    )


class Confirmation(dg.Config):
    """Deleting asks for the bucket's name, so that no click does it by mistake. The bucket may be kept, and the data of
    the warehouse as a last snapshot."""

    delete_bucket: str
    keep_bucket: bool = False
    final_snapshot: bool = False


@dg.op(description="Deletes the AWS resources that carry this project's tag, and nothing else.")
def teardown_resources(context: dg.OpExecutionContext, config: Confirmation) -> None:
    from sf_transactions.provision.destroy import Keep, teardown

    settings = Settings.from_environ()
    if config.delete_bucket != settings.required("s3_bucket"):
        raise dg.Failure(f"delete_bucket is {config.delete_bucket!r}: write the name of S3_BUCKET to delete it")
    teardown(settings, context.log.info, Keep(bucket=config.keep_bucket, snapshot=config.final_snapshot))


@dg.job(description="Provision the bucket, roles, SFTP server and cluster on AWS. Idempotent.")
def provision_aws() -> None:
    provision_resources()


@dg.job(description="Tear down what provision_aws made: only what carries this project's tag.")
def teardown_aws() -> None:
    teardown_resources()


jobs = [provision_aws, teardown_aws]
