"""Tears down what carries this project's tag, and nothing else."""

import dataclasses
import time
from collections.abc import Callable

from sf_transactions.provision import actual
from sf_transactions.provision.actual import Aws
from sf_transactions.provision.desired import Desired, Role, desired
from sf_transactions.provision.errors import ProvisionError, code, explained
from sf_transactions.settings import Settings

# A teardown needs neither of these, so that it does not ask for them.
NO_CIDR, NO_KEY = "127.0.0.1/32", ""
# A deleted cluster's network interfaces hold on to the security group for a while.
GROUP_SECONDS = 180
PAUSE_SECONDS = 5.0
A_REQUEST = 1000  # objects at most that S3 deletes by one request


def teardown(settings: Settings, say: Callable[[str], object]) -> None:
    """Deletes in the order that AWS's dependencies ask for; what is gone already is passed over.

    A resource of our name without our tag is not touched, and one that AWS will not delete does not keep the others,
    which cost money, from being deleted. What was left is raised as one ProvisionError at the end.
    """
    aws = actual.connect()
    settings = dataclasses.replace(settings, redshift_cidr=settings.redshift_cidr or NO_CIDR)
    want = desired(settings, aws.account, aws.region, NO_KEY)
    left: list[str] = []
    for what, step in (
        (f"cluster {want.cluster}", lambda: _cluster(aws, want)),
        (f"security group {want.security_group}", lambda: _security_group(aws, want)),
        (f"role {want.redshift_role.name}", lambda: _role(aws, want, want.redshift_role)),
        ("SFTP server and its users", lambda: _server(aws, want)),
        (f"role {want.transfer_role.name}", lambda: _role(aws, want, want.transfer_role)),
        (f"bucket {want.bucket}", lambda: _bucket(aws, want)),
    ):
        try:
            with explained(what):
                say(f"- {what}" if step() else f"  {what} is gone already")
        except ProvisionError as error:
            say(f"! {what} is left")
            left.append(str(error))
    if left:
        raise ProvisionError("\n".join(left))


def _cluster(aws: Aws, want: Desired) -> bool:
    found = actual.cluster(aws, want.cluster)
    if found is None:
        return False
    actual.refuse_foreign(f"cluster {want.cluster}", found.get("Tags", []), want.owner)
    client = aws.client("redshift")
    if found.get("ClusterStatus") != "deleting":
        client.delete_cluster(ClusterIdentifier=want.cluster, SkipFinalClusterSnapshot=True)
    client.get_waiter("cluster_deleted").wait(ClusterIdentifier=want.cluster)
    return True


def _security_group(aws: Aws, want: Desired) -> bool:
    from botocore.exceptions import ClientError

    found = actual.security_group(aws, want.security_group, want.owner)
    if found is None:
        return False
    actual.refuse_foreign(f"security group {want.security_group}", found.get("Tags", []), want.owner)
    client = aws.client("ec2")
    deadline = time.monotonic() + GROUP_SECONDS
    while True:
        try:
            client.delete_security_group(GroupId=found["GroupId"])
            return True
        except ClientError as error:
            if code(error) != "DependencyViolation" or time.monotonic() > deadline:
                raise
            time.sleep(PAUSE_SECONDS)


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
    _delete_versions(aws, want.bucket)
    bucket.delete()
    return True


def _delete_versions(aws: Aws, bucket: str) -> None:
    """Deletes the newest and all older versions, and the marks of deleted ones. The first page is asked for until it
    is empty, because following pages are named by keys that are gone by then."""
    client = aws.client("s3")
    while True:
        page = client.list_object_versions(Bucket=bucket)
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])][:A_REQUEST]
        if not found:
            return
        objects = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]
        refused = client.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True}).get("Errors")
        if refused:
            first = refused[0]
            raise ProvisionError(
                f"bucket {bucket}: {len(refused)} objects cannot be deleted, such as {first.get('Key')}: "
                f"AWS answers {first.get('Code')}; delete them and run this again"
            )
