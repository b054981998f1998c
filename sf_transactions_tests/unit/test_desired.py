import json

import pytest

from sf_transactions.provision.desired import desired
from sf_transactions.settings import Settings, SettingsError

GIVEN = {"s3_bucket": "city-books", "redshift_cidr": "203.0.113.7/32"}


def want(**settings):
    return desired(Settings(**GIVEN | settings), "123456789012", "us-west-2", "ssh-ed25519 AAAA sf-transactions")


def statements(policy: dict) -> list[dict]:
    return policy["Statement"]


def test_the_transfer_role_is_assumed_by_transfer_family_for_this_account_only():
    (statement,) = statements(want().transfer_role.trust)
    assert statement["Principal"] == {"Service": "transfer.amazonaws.com"}
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def test_the_redshift_role_is_assumed_by_redshift():
    (statement,) = statements(want().redshift_role.trust)
    assert statement["Principal"] == {"Service": "redshift.amazonaws.com"}
    assert "Condition" not in statement


def test_no_policy_reaches_beyond_the_bucket_or_allows_all_of_something():
    for role in (want().transfer_role, want().redshift_role):
        for statement in statements(role.policy):
            assert statement["Effect"] == "Allow"
            assert statement["Resource"] in ("arn:aws:s3:::city-books", "arn:aws:s3:::city-books/*")
            assert not any("*" in action for action in statement["Action"])


def test_listing_is_allowed_on_the_bucket_and_objects_on_what_it_holds():
    by_resource = {each["Resource"]: set(each["Action"]) for each in statements(want().transfer_role.policy)}
    assert by_resource == {
        "arn:aws:s3:::city-books": {"s3:ListBucket", "s3:GetBucketLocation"},
        "arn:aws:s3:::city-books/*": {"s3:GetObject", "s3:PutObject", "s3:DeleteObject"},
    }


def test_redshift_can_only_read():
    actions = {action for each in statements(want().redshift_role.policy) for action in each["Action"]}
    assert actions == {"s3:ListBucket", "s3:GetBucketLocation", "s3:GetObject"}


def test_policies_are_json():
    for role in (want().transfer_role, want().redshift_role):
        assert json.loads(json.dumps(role.policy)) == role.policy
        assert role.policy["Version"] == role.trust["Version"] == "2012-10-17"


def test_the_users_root_is_the_bucket():
    assert want().home_mapping == ({"Entry": "/", "Target": "/city-books"},)


def test_the_owner_tag_tells_two_projects_apart():
    assert want().tags == [{"Key": "sf-transactions:owner", "Value": "city-books"}]
    assert want(s3_bucket="county-books").tags != want().tags


@pytest.mark.parametrize("name", ["s3_bucket", "redshift_cidr"])
def test_what_cannot_have_a_default_is_asked_for(name):
    with pytest.raises(SettingsError, match=f"{name.upper()} is not set"):
        want(**{name: None})


@pytest.mark.parametrize(
    ("written", "opened"),
    [("203.0.113.7", "203.0.113.7/32"), ("10.0.0.0/8", "10.0.0.0/8"), ("0.0.0.0/0", "0.0.0.0/0")],
)
def test_the_addresses_are_opened_as_written(written, opened):
    assert want(redshift_cidr=written).cidr == opened


@pytest.mark.parametrize("written", ["203.0.113.7/0", "203.0.113.7/24", "203.0.113.7/33", "everyone", "::/0"])
def test_addresses_that_aws_would_widen_or_refuse_are_refused_here(written):
    with pytest.raises(SettingsError, match="REDSHIFT_CIDR"):
        want(redshift_cidr=written)


@pytest.mark.parametrize("written", ["0", "-1", "two", "129"])
def test_a_number_of_nodes_that_no_cluster_has_is_refused(written):
    with pytest.raises(SettingsError, match="REDSHIFT_NODES"):
        want(redshift_nodes=written)


def test_a_user_name_too_short_for_transfer_family_is_refused():
    with pytest.raises(SettingsError, match="SFTP_USERNAME"):
        want(sftp_username="ab")
