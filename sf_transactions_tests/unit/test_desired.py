import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sf_transactions.provision.desired import Cluster, Workgroup, desired
from sf_transactions.settings import Settings, SettingsError

GIVEN = {"s3_bucket": "city-books", "redshift_cidr": "203.0.113.7/32"}


def want(**settings):
    return desired(Settings(**GIVEN | settings), "123456789012", "us-west-2", "ssh-ed25519 AAAA sf-transactions")


def test_the_transfer_role_is_assumed_by_transfer_family_for_users_of_this_account_and_region_only():
    (statement,) = want().transfer_role.trust["Statement"]
    assert statement["Principal"] == {"Service": "transfer.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "123456789012"},
        "ArnLike": {"aws:SourceArn": "arn:aws:transfer:us-west-2:123456789012:user/*"},
    }


def test_the_redshift_role_is_assumed_by_redshift():
    (statement,) = want().redshift_role.trust["Statement"]
    assert statement["Principal"] == {"Service": "redshift.amazonaws.com"}


@pytest.mark.parametrize(
    ("prefix", "below", "listed"), [(None, "*", None), ("books", "books/*", ["books/", "books/*"])]
)
def test_the_roles_reach_the_prefix_and_nothing_beyond(prefix, below, listed):
    for role in want(s3_prefix=prefix).roles:
        location, listing, objects, *_ = role.policy.document["Statement"]
        assert location["Resource"] == listing["Resource"] == "arn:aws:s3:::city-books"
        assert listing.get("Condition") == (listed and {"StringLike": {"s3:prefix": listed}})
        assert objects["Resource"] == f"arn:aws:s3:::city-books/{below}"


def test_redshift_can_only_read():
    actions = {action for each in want().redshift_role.policy.document["Statement"] for action in each["Action"]}
    assert {action for action in actions if action.startswith("s3:")} == {
        "s3:ListBucket",
        "s3:GetBucketLocation",
        "s3:GetObject",
    }
    assert all(action.startswith(("s3:", "glue:Get", "glue:BatchGet")) for action in actions)


def test_redshift_looks_up_its_own_glue_database_only():
    *_, glue = want(glue_database="books").redshift_role.policy.document["Statement"]
    place = "arn:aws:glue:us-west-2:123456789012"
    assert glue["Resource"] == [f"{place}:catalog", f"{place}:database/books", f"{place}:table/books/*"]


def test_policies_are_json():
    for role in want().roles:
        for document in (role.policy.document, role.trust):
            assert json.loads(json.dumps(document)) == document
            assert document["Version"] == "2012-10-17"


def test_the_users_root_is_the_project_s_part_of_the_bucket():
    assert want().home_mapping == ({"Entry": "/", "Target": "/city-books"},)
    assert want(s3_prefix="a/b/").home_mapping == ({"Entry": "/", "Target": "/city-books/a/b"},)


def test_the_owner_tag_tells_two_projects_apart():
    assert want().tags == [{"Key": "sf-transactions:owner", "Value": "city-books"}]
    assert want(s3_bucket="county-books").tags != want().tags


def test_aws_s_own_policies_are_named_shortly_or_by_arn():
    assert want().transfer_role.aws_policies == ()
    named = want(transfer_aws_policies="AWSTransferConsoleFullAccess, arn:aws:iam::aws:policy/Other")
    assert named.transfer_role.aws_policies == (
        "arn:aws:iam::aws:policy/AWSTransferConsoleFullAccess",
        "arn:aws:iam::aws:policy/Other",
    )


def test_the_warehouse_is_a_cluster_unless_a_workgroup_is_named():
    assert want().warehouse == Cluster("sf-transactions", "ra3.large", 1)
    assert want(redshift_workgroup="books", redshift_rpus="16").warehouse == Workgroup("books", 16)


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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("redshift_cidr", bad) for bad in ("203.0.113.7/0", "203.0.113.7/24", "203.0.113.7/33", "everyone", "::/0")),
        *(("redshift_nodes", bad) for bad in ("0", "-1", "two", "129")),
        *(("s3_bucket", bad) for bad in ("ab", "City-Books", "city.books", "-city", "city-", "a" * 64)),
        *(("s3_prefix", bad) for bad in ("a//b", "../x", "a b", "*")),
        *(("redshift_cluster", bad) for bad in ("1st", "Books", "a--b", "a-")),
        *(("redshift_rpus", bad) for bad in ("3", "1025", "many")),
        ("sftp_username", "ab"),
        ("transfer_role", "a role"),
        ("redshift_database", "San Francisco"),
        ("glue_database", "Books"),
        ("redshift_public", "perhaps"),
        ("s3_noncurrent_days", "0"),
    ],
)
def test_what_aws_would_refuse_late_or_widen_is_refused_before_anything_is_made(name, value):
    others = {"redshift_workgroup": "books"} if name == "redshift_rpus" else {}
    with pytest.raises(SettingsError, match=f"^{name.upper()} is "):
        want(**others, **{name: value})


@given(st.text(string.ascii_lowercase + string.digits + "-./_*? ", max_size=20))
def test_no_prefix_reaches_beyond_itself(text):
    try:
        prefix = want(s3_prefix=text).prefix
    except SettingsError:
        return
    assert prefix == "" or prefix.endswith("/")
    assert not set(prefix) & set("*? ") and "//" not in prefix and not prefix.startswith("/")
    assert ".." not in prefix.split("/")
