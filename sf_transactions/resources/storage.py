"""The door to S3: what stands in the bucket, verified by reading it back."""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster_aws.s3 import S3Resource
from pydantic import PrivateAttr

from sf_transactions.settings import Settings, SettingsError

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_s3 import S3Client

CHUNK = 1 << 20
AT_ONCE = 4  # objects that are sent, or read back, side by side: most of it is waiting for answers


class StorageError(RuntimeError):
    """An object is missing or is not what was sent, or the bucket cannot be read; the message names it."""


@dataclass(frozen=True)
class Listed:
    """An object as S3 lists it."""

    key: str
    size: int
    etag: str
    modified: "datetime"


class Storage(dg.ConfigurableResource):
    """The bucket that Transfer Family writes to and Redshift copies from."""

    s3: S3Resource
    bucket: str | None = None
    prefix: str = ""  # of every key; empty, or ends with /
    _client: Any = PrivateAttr(default=None)
    _copy_role: str | None = PrivateAttr(default=None)

    def name(self) -> str:
        if not self.bucket:
            raise SettingsError("S3_BUCKET is not set: the bucket that the files go to")
        return self.bucket

    def url(self, key: str) -> str:
        return f"s3://{self.name()}/{self.prefix}{key}"

    def client(self) -> "S3Client":
        if self._client is None:  # making one takes longer than most of its calls
            self._client = self.s3.get_client()
        return self._client

    def region(self) -> str:
        return self.client().meta.region_name

    def copy_role(self) -> str:
        """The ARN of the role that the cluster assumes to read the bucket."""
        if self._copy_role is None:
            from sf_transactions.provision.lookup import redshift_role_arn

            self._copy_role = redshift_role_arn(Settings.from_environ())
        return self._copy_role

    def read(self, url: str) -> bytes:
        """The bytes of an object of this bucket. Raises StorageError."""
        found = self.find(url.removeprefix(self.url("")))
        if found is None:
            raise StorageError(f"{url} is not there")
        return found[0]

    def find(self, key: str) -> tuple[bytes, str] | None:
        """The bytes and the ETag of an object, or None when it is not there. Raises StorageError."""
        with _told(self.url(key), absent=("NoSuchKey",)):
            answer = self.client().get_object(Bucket=self.name(), Key=f"{self.prefix}{key}")
            with contextlib.closing(answer["Body"]) as body:
                return body.read(), answer["ETag"]
        return None

    def put_if_unchanged(self, key: str, content: bytes, etag: str | None) -> bool:
        """Stores an object unless it is another by now than the one with this ETag (None: than none at all)."""
        condition: Any = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        with _told(self.url(key), absent=("PreconditionFailed", "ConditionalRequestConflict", "412", "409")):
            self.client().put_object(Bucket=self.name(), Key=f"{self.prefix}{key}", Body=content, **condition)
            return True
        return False

    def put(self, key: str, content: bytes) -> str:
        """Stores an object; S3 compares the checksum. Returns its URL. Raises StorageError."""
        with _told(self.url(key)):
            self.client().put_object(
                Bucket=self.name(), Key=f"{self.prefix}{key}", Body=content, ChecksumAlgorithm="SHA256"
            )
        return self.url(key)

    def _listed(self, prefix: str) -> Iterator["Listed"]:
        """Every object whose key begins so. Raises StorageError."""
        with _told(self.url(prefix)):
            for page in (
                self.client()
                .get_paginator("list_objects_v2")
                .paginate(Bucket=self.name(), Prefix=f"{self.prefix}{prefix}")
            ):
                for each in page.get("Contents", []):
                    yield Listed(
                        each["Key"].removeprefix(self.prefix), each["Size"], each["ETag"], each["LastModified"]
                    )

    def delete(self, keys: Sequence[str]) -> None:
        """Deletes objects, a thousand at a time. Raises StorageError."""
        for start in range(0, len(keys), 1000):
            objects: Any = [{"Key": f"{self.prefix}{key}"} for key in keys[start : start + 1000]]
            with _told(self.url(keys[start])):
                answer = self.client().delete_objects(Bucket=self.name(), Delete={"Objects": objects, "Quiet": True})
            for error in answer.get("Errors", []):
                raise StorageError(f"{self.url(error['Key'])} cannot be deleted: {error['Code']} {error['Message']}")

    def in_folders(self, folders: Iterable[str]) -> dict[str, Listed]:
        """Every object of these folders, by key. Raises StorageError."""
        self.client()  # made before the threads, which would each make one
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = pool.map(lambda folder: list(self._listed(f"{folder}/")), folders)
            return {each.key: each for objects in found for each in objects}

    def standing(
        self,
        listed: Mapping[str, Listed],
        wanted: Iterable[tuple[str, int, str]],
        verified: Mapping[str, Sequence[str]],
    ) -> dict[str, str]:
        """The ETags, by key, of those of the listed objects that stand there with just this content: key, bytes,
        SHA-256.

        `verified` tells by key which SHA-256 and ETag an object had when it was read back before: one that is listed
        with this ETag is not read back again, any other is.
        """

        def etag(of: tuple[str, int, str]) -> str | None:
            key, size, sha256 = of
            found = listed.get(key)
            if found and found.size == size and list(verified.get(key, ())) == [sha256, found.etag]:
                return found.etag
            return exists_with(self.client(), self.name(), f"{self.prefix}{key}", size, sha256) if found else None

        objects = list(wanted)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            etags = pool.map(etag, objects)
            return {key: etag for (key, *_), etag in zip(objects, etags, strict=True) if etag}

    def verify(self, key: str, size: int, sha256: str) -> str:
        """Reads the object back and returns its ETag. Raises StorageError unless it has exactly this content."""
        return verify(self.client(), self.name(), f"{self.prefix}{key}", size, sha256)


@contextlib.contextmanager
def _told(what: str, absent: tuple[str, ...] = ()) -> Iterator[None]:
    """Raises StorageError in the place of boto3's errors; one of the codes in `absent` just ends the block."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in absent:
            return
        if code == "NoSuchBucket":
            bucket = what.removeprefix("s3://").partition("/")[0]
            raise StorageError(f"there is no bucket {bucket}: run `sf-transactions provision`") from None
        raise StorageError(f"{what}: S3 refused: {error}") from None
    except BotoCoreError as error:
        raise StorageError(f"{what}: S3 cannot be reached: {error}") from None


def exists_with(client: "S3Client", bucket: str, key: str, size: int, sha256: str) -> str | None:
    """The ETag of the object that stands there with exactly this content, read back, or None. Raises StorageError when
    that cannot be told."""
    etag, difference = _read_back(client, bucket, key, size, sha256)
    return None if difference else etag


def verify(client: "S3Client", bucket: str, key: str, size: int, sha256: str) -> str:
    """Reads the object back and returns its ETag. Raises StorageError unless it has exactly this content."""
    etag, difference = _read_back(client, bucket, key, size, sha256)
    if difference:
        raise StorageError(f"s3://{bucket}/{key} {difference}: it was not stored as sent; run again")
    return etag


def _read_back(client: "S3Client", bucket: str, key: str, size: int, sha256: str) -> tuple[str, str | None]:
    """The ETag of an object, and how it differs from what it should be, or None.

    An ETag is no hash that could be compared with that of a file, but S3 gives another to any other content: what was
    read back once need not be again while it has the same.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = client.get_object(Bucket=bucket, Key=key)
        etag, digest = answer["ETag"], hashlib.sha256()
        with contextlib.closing(answer["Body"]) as body:
            if answer["ContentLength"] != size:
                return etag, f"has {answer['ContentLength']} bytes, not {size}"
            for chunk in body.iter_chunks(CHUNK):
                digest.update(chunk)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "NoSuchKey":
            return "", "is not there"
        if code == "NoSuchBucket":
            raise StorageError(f"there is no bucket {bucket}: run `sf-transactions provision`") from None
        raise StorageError(f"s3://{bucket}/{key} cannot be read: {error}") from None
    except BotoCoreError as error:
        raise StorageError(f"S3 cannot be reached for s3://{bucket}/{key}: {error}") from None
    if digest.hexdigest() != sha256:
        return etag, f"has the SHA-256 {digest.hexdigest()}, not {sha256}"
    return etag, None
