"""Tears down what carries this project's tag, and nothing else."""

from collections.abc import Callable

from sf_transactions.provision import actual
from sf_transactions.provision.actual import Aws
from sf_transactions.provision.desired import Desired, Role, desired
from sf_transactions.provision.errors import explained
from sf_transactions.settings import Settings

# A teardown needs neither of these, so that it does not ask for them.
NO_CIDR, NO_KEY = "127.0.0.1/32", ""


def teardown(settings: Settings, say: Callable[[str], object]) -> None:
    """Deletes in the order that AWS's dependencies ask for; what is gone already is passed over.

    Raises ProvisionError when a resource of our name does not carry our tag, before anything else of it is touched.
    """
    import dataclasses

    aws = actual.connect()
    settings = dataclasses.replace(settings, redshift_cidr=settings.redshift_cidr or NO_CIDR)
    want = desired(settings, aws.account, aws.region, NO_KEY)
    for what, step in (
        (f"cluster {want.cluster}", lambda: _cluster(aws, want)),
        (f"security group {want.security_group}", lambda: _security_group(aws, want)),
        (f"role {want.redshift_role.name}", lambda: _role(aws, want, want.redshift_role)),
        ("SFTP server and its users", lambda: _server(aws, want)),
        (f"role {want.transfer_role.name}", lambda: _role(aws, want, want.transfer_role)),
        (f"bucket {want.bucket}", lambda: _bucket(aws, want)),
    ):
        with explained(what):
            say(f"- {what}" if step() else f"  {what} is gone already")


def _cluster(aws: Aws, want: Desired) -> bool:
    found = actual.cluster(aws, want.cluster)
    if found is None:
        return False
    actual.refuse_foreign(f"cluster {want.cluster}", found.get("Tags", []), want.owner)
    client = aws.client("redshift")
    client.delete_cluster(ClusterIdentifier=want.cluster, SkipFinalClusterSnapshot=True)
    client.get_waiter("cluster_deleted").wait(ClusterIdentifier=want.cluster)
    return True


def _security_group(aws: Aws, want: Desired) -> bool:
    found = actual.security_group(aws, want.security_group)
    if found is None:
        return False
    actual.refuse_foreign(f"security group {want.security_group}", found.get("Tags", []), want.owner)
    aws.client("ec2").delete_security_group(GroupId=found["GroupId"])
    return True


def _role(aws: Aws, want: Desired, role: Role) -> bool:
    found = actual.role(aws, role.name)
    if found is None:
        return False
    actual.refuse_foreign(f"role {role.name}", found.get("Tags", []), want.owner)
    client = aws.client("iam")
    for attached in client.list_attached_role_policies(RoleName=role.name)["AttachedPolicies"]:
        client.detach_role_policy(RoleName=role.name, PolicyArn=attached["PolicyArn"])
    for policy in client.list_role_policies(RoleName=role.name)["PolicyNames"]:
        client.delete_role_policy(RoleName=role.name, PolicyName=policy)
    client.delete_role(RoleName=role.name)
    return True


def _server(aws: Aws, want: Desired) -> bool:
    server = actual.sftp_server(aws, want.owner)
    if server is None:
        return False
    client = aws.client("transfer")
    if actual.sftp_user(aws, server, want.sftp_username):
        client.delete_user(ServerId=server, UserName=want.sftp_username)
    client.delete_server(ServerId=server)
    return True


def _bucket(aws: Aws, want: Desired) -> bool:
    tags = actual.bucket_tags(aws, want.bucket)
    if tags is None:
        return False
    actual.refuse_foreign(f"bucket {want.bucket}", tags, want.owner)
    bucket = aws.session.resource("s3").Bucket(want.bucket)
    for upload in bucket.multipart_uploads.all():
        upload.abort()
    bucket.object_versions.delete()
    bucket.objects.delete()
    bucket.delete()
    return True
