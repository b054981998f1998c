"""The bucket: private, encrypted, versioned, reached by TLS only, and rid of what is old."""

import json
from collections.abc import Iterator
from typing import Any

from sf_transactions.provision import policies
from sf_transactions.provision.aws import Aws, is_ours, tags_of
from sf_transactions.provision.desired import Desired
from sf_transactions.provision.errors import ProvisionError, code
from sf_transactions.provision.resource import Change, Resource, unless_gone

NOT_PUBLIC = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
ENCRYPTION = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
UNFINISHED_DAYS = 7
A_REQUEST = 1000  # objects at most that S3 deletes by one request


class Bucket(Resource):
    kind = "bucket"

    @property
    def name(self) -> str:
        return self.want.bucket

    def find(self) -> dict[str, Any] | None:
        from botocore.exceptions import ClientError

        try:
            return self.aws.client("s3").head_bucket(Bucket=self.name)
        except ClientError as error:
            if code(error) == "404":
                return None
            if code(error) == "403":
                raise ProvisionError(
                    f"bucket {self.name} belongs to another account, or these credentials may not see it: "
                    "choose another S3_BUCKET, or use other credentials"
                ) from None
            raise

    def tags(self, found: Any) -> dict[str, str]:
        return tags_of(self._read("get_bucket_tagging", "TagSet", "NoSuchTagSet"))

    def _read(self, operation: str, member: str, none: str) -> Any:
        """A part of the bucket's configuration, or None when it has none."""
        answer = unless_gone(getattr(self.aws.client("s3"), operation), none, Bucket=self.name)
        return answer[member] if answer else None

    def create(self) -> None:
        # us-east-1 is the one region that must not be named.
        place = {} if self.aws.region == "us-east-1" else {"LocationConstraint": self.aws.region}
        self.aws.client("s3").create_bucket(
            Bucket=self.name, CreateBucketConfiguration={**place, "Tags": self.want.tags}
        )
        self.aws.client("s3").get_waiter("bucket_exists").wait(Bucket=self.name)
        for change in self.drift({}):
            change.do()

    def drift(self, found: Any) -> Iterator[Change]:
        client, name = self.aws.client("s3"), self.name
        blocked = self._read(
            "get_public_access_block", "PublicAccessBlockConfiguration", "NoSuchPublicAccessBlockConfiguration"
        )
        if blocked != NOT_PUBLIC:
            yield Change(
                "public access is not blocked",
                lambda: client.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=NOT_PUBLIC),
            )
        if client.get_bucket_versioning(Bucket=name).get("Status") != "Enabled":
            yield Change(
                "versioning is off",
                lambda: client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"}),
            )
        if not self._encrypted():
            yield Change(
                "it has no default encryption",
                lambda: client.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration=ENCRYPTION),
            )
        rules = self._read("get_bucket_lifecycle_configuration", "Rules", "NoSuchLifecycleConfiguration")
        if not _same_rules(rules, self._rules):
            yield Change(
                "old versions and unfinished uploads are not removed as they should be",
                lambda: client.put_bucket_lifecycle_configuration(
                    Bucket=name, LifecycleConfiguration={"Rules": self._rules}
                ),
            )
        wanted = policies.tls_only(self.want.partition, name)
        told = self._read("get_bucket_policy", "Policy", "NoSuchBucketPolicy")
        if told is None or json.loads(told) != wanted:
            yield Change(
                "its policy does not refuse requests without TLS, or allows more than ours",
                lambda: client.put_bucket_policy(Bucket=name, Policy=json.dumps(wanted)),
            )

    def _encrypted(self) -> bool:
        """Any default encryption will do: an account may ask for keys of its own (SSE-KMS)."""
        found = self._read(
            "get_bucket_encryption",
            "ServerSideEncryptionConfiguration",
            "ServerSideEncryptionConfigurationNotFoundError",
        )
        return bool(found and found.get("Rules"))

    @property
    def _rules(self) -> list[dict[str, Any]]:
        return [
            {
                "ID": "sf-transactions",
                "Status": "Enabled",
                "Filter": {"Prefix": ""},
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UNFINISHED_DAYS},
                "NoncurrentVersionExpiration": {"NoncurrentDays": self.want.noncurrent_days},
            }
        ]

    def delete(self, found: Any) -> None:
        client = self.aws.client("s3")
        self._abort_uploads()
        self._delete_versions()
        client.delete_bucket(Bucket=self.name)
        client.get_waiter("bucket_not_exists").wait(Bucket=self.name)

    def _abort_uploads(self) -> None:
        client = self.aws.client("s3")
        for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=self.name):
            for upload in page.get("Uploads", []):
                client.abort_multipart_upload(Bucket=self.name, Key=upload["Key"], UploadId=upload["UploadId"])

    def _delete_versions(self) -> None:
        """Deletes the newest and all older versions, and the marks of deleted ones. The first page is asked for until
        it is empty, because following pages are named by keys that are gone by then."""
        client = self.aws.client("s3")
        while True:
            page = client.list_object_versions(Bucket=self.name)
            found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])][:A_REQUEST]
            if not found:
                return
            objects = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]
            asked = {"Objects": objects, "Quiet": True}
            refused = client.delete_objects(Bucket=self.name, Delete=asked).get("Errors")
            if refused:
                first = refused[0]
                raise ProvisionError(
                    f"bucket {self.name}: {len(refused)} objects cannot be deleted, such as {first.get('Key')}: "
                    f"AWS answers {first.get('Code')}; delete them and run this again"
                )

    @classmethod
    def owned(cls, aws: Aws, want: Desired) -> Iterator[Resource]:
        """The one bucket: its name is the value of the tag."""
        bucket = cls(aws, want)
        found = bucket.find()
        if found is not None and is_ours(bucket.tags(found), want.owner):
            yield bucket

    def objects(self) -> tuple[int, int, bool]:
        """How many versions the first thousand hold and their bytes, and whether there are more: for a preview."""
        page = self.aws.client("s3").list_object_versions(Bucket=self.name)
        versions = page.get("Versions", [])
        return len(versions), sum(each["Size"] for each in versions), bool(page.get("IsTruncated"))


def _same_rules(found: list[dict[str, Any]] | None, wanted: list[dict[str, Any]]) -> bool:
    """S3 may tell of a filter that lets everything through as an empty one."""
    return [_told(rule) for rule in found or []] == [_told(rule) for rule in wanted]


def _told(rule: dict[str, Any]) -> dict[str, Any]:
    return {**rule, "Filter": {key: value for key, value in (rule.get("Filter") or {}).items() if value}}
