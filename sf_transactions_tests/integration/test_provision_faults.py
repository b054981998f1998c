"""Faults of AWS's APIs end in success by trying again, or in one sentence with the resource and what to do."""

import boto3
import pytest

from sf_transactions.local.aws import reset
from sf_transactions.provision import network, resource
from sf_transactions.provision.apply import provision
from sf_transactions.provision.destroy import teardown
from sf_transactions.provision.errors import ProvisionError
from sf_transactions.provision.plan import plan
from sf_transactions_tests.integration.aws_faults import Fault, Faults
from sf_transactions_tests.integration.moto_aws import city_books, clients_made_once, moto_aws, quiet


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    faults = Faults()
    with pytest.MonkeyPatch.context() as patch, clients_made_once(), moto_aws(patch, faults):
        patch.setattr(resource, "PAUSE_SECONDS", 0.01)
        patch.setattr(network, "PAUSE_SECONDS", 0.01)
        yield city_books(tmp_path_factory.mktemp("home")), faults


@pytest.fixture
def aws(place):
    settings, faults = place
    reset()
    faults.faults = []
    return settings, faults


UNKNOWN_ROLE = "The IAM role arn:aws:iam::123456789012:role/x is not valid or cannot be assumed"
NO_POLICY = "Policy arn:aws:iam::123456789012:policy/x does not exist or is not attachable."


@pytest.mark.full
@pytest.mark.parametrize(
    "fault",
    [
        Fault("s3", "PUT", "SlowDown", times=2, status=503),
        Fault("iam", "CreateRole", "Throttling", "Rate exceeded", times=2),
        Fault("transfer", "CreateServer", "ThrottlingException", "Rate exceeded", times=2),
        Fault("transfer", "DescribeServer", "InternalServiceError", times=1, status=500),
        Fault("ec2", "AuthorizeSecurityGroupIngress", "RequestLimitExceeded", times=2, status=503),
        Fault("redshift", "CreateCluster", "Throttling", "Rate exceeded", times=2),
        # A role or policy that was made a moment ago and is not known everywhere yet.
        Fault("transfer", "CreateUser", "InvalidRequestException", UNKNOWN_ROLE, times=3),
        Fault("redshift", "CreateCluster", "InvalidParameterValue", UNKNOWN_ROLE, times=3),
        Fault("iam", "AttachRolePolicy", "NoSuchEntity", NO_POLICY, times=3, status=404),
    ],
    ids=lambda fault: f"{fault.operation}-{fault.code}",
)
def test_what_passes_is_tried_again(aws, fault):
    settings, faults = aws
    faults.faults = [fault]
    provision(settings, quiet)
    assert fault.seen == fault.times
    assert not plan(settings).changes


@pytest.mark.full
@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (
            Fault("s3", "PUT", "BucketAlreadyExists", "The requested bucket name is not available.", status=409),
            "bucket city-books: AWS answers BucketAlreadyExists: .*; somebody else has a bucket of this name; choose "
            "another S3_BUCKET",
        ),
        (
            Fault("s3", "PUT publicAccessBlock", "AccessDenied", "Access Denied", status=403),
            "bucket city-books: .*may not do that; ask for the permission",
        ),
        (
            Fault("iam", "CreatePolicy", "AccessDenied", "User: x is not authorized", status=403),
            "policy sf-transactions-transfer-s3: .*ask for the permission",
        ),
        (
            Fault("iam", "CreateRole", "LimitExceeded", "Cannot exceed quota for RolesPerAccount: 1000", status=409),
            "role sf-transactions-transfer: AWS answers LimitExceeded: .*; ask AWS for a higher quota",
        ),
        (
            Fault("transfer", "CreateServer", "AccessDeniedException", "not authorized"),
            "SFTP server of city-books: .*ask for the permission",
        ),
        (
            Fault("ec2", "CreateSecurityGroup", "VPCIdNotSpecified", "No default VPC for this user"),
            "security group sf-transactions-redshift: .*create-default-vpc",
        ),
        (
            Fault("redshift", "CreateCluster", "ClusterAlreadyExists", "Cluster already exists"),
            "cluster sf-transactions: AWS answers ClusterAlreadyExists: .*; choose another REDSHIFT_CLUSTER",
        ),
        (
            Fault("redshift", "CreateCluster", "InsufficientClusterCapacity", "There is insufficient capacity"),
            "cluster sf-transactions: .*choose another REDSHIFT_NODE_TYPE or region, or try later",
        ),
        (
            Fault("glue", "CreateDatabase", "AccessDeniedException", "Insufficient Lake Formation permission(s)"),
            "Glue database sf_transactions: .*ask for the permission",
        ),
        (
            Fault("sts", "GetCallerIdentity", "ExpiredToken", "The security token is expired", status=403),
            "credentials: .*AWS does not accept the credentials; check AWS_PROFILE",
        ),
    ],
    ids=lambda value: f"{value.operation}-{value.code}" if isinstance(value, Fault) else "",
)
def test_what_does_not_pass_is_one_sentence_and_the_next_run_goes_on(aws, fault, told):
    settings, faults = aws
    faults.faults = [fault]
    with pytest.raises(ProvisionError, match=f"^{told}") as error:
        provision(settings, quiet)
    assert "\n" not in str(error.value)
    provision(settings, quiet)
    assert not plan(settings).changes


@pytest.mark.full
def test_a_role_that_never_becomes_known_is_told_after_a_while(aws, monkeypatch):
    settings, faults = aws
    monkeypatch.setattr(resource, "ROLE_SECONDS", 0.2)
    faults.faults = [Fault("transfer", "CreateUser", "InvalidRequestException", UNKNOWN_ROLE, times=10**6)]
    with pytest.raises(ProvisionError, match=r"^SFTP user sf-transactions: AWS answers InvalidRequestException"):
        provision(settings, quiet)


@pytest.mark.full
def test_a_group_that_is_still_in_use_is_tried_again_and_then_told_while_the_rest_goes(aws, monkeypatch):
    settings, faults = aws
    in_use = Fault("ec2", "DeleteSecurityGroup", "DependencyViolation", "resource sg-1 has a dependent object", times=3)
    provision(settings, quiet)
    faults.faults = [in_use]
    teardown(settings, quiet)
    assert in_use.seen == 3
    provision(settings, quiet)
    monkeypatch.setattr(network, "GROUP_SECONDS", 0.2)
    in_use.times = 10**6
    said: list[str] = []
    with pytest.raises(ProvisionError, match=r"^security group .*something else still uses it; remove that first"):
        teardown(settings, said.append)
    assert said[-1] == "audit: left are security group sf-transactions-redshift"
    assert boto3.client("s3").list_buckets()["Buckets"] == []
    faults.faults = []
    teardown(settings, quiet)


def test_a_kind_that_cannot_be_listed_does_not_keep_the_others_from_being_deleted(aws):
    settings, faults = aws
    provision(settings, quiet)
    faults.faults = [Fault("glue", "GetDatabases", "AccessDeniedException", "not authorized", times=10**6)]
    with pytest.raises(ProvisionError, match=r"Glue database.*ask for the permission"):
        teardown(settings, quiet)
    assert boto3.client("redshift").describe_clusters()["Clusters"] == []
    assert boto3.client("s3").list_buckets()["Buckets"] == []
