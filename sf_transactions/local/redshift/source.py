"""S3 objects: those that a COPY reads, by key prefix or by manifest, checked for being there and for their size; and
those that an UNLOAD writes."""

import json
from dataclasses import dataclass
from typing import Any

from sf_transactions.local.redshift.errors import SqlError


class BadFile(Exception):
    """A file that cannot be read as what COPY was told it is."""


def split_url(url: str) -> tuple[str, str]:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return bucket, key


def check_region(client: Any, url: str, region: str) -> None:
    """Raises SqlError when the bucket lies in another region than COPY was told; S3 then redirects."""
    from botocore.exceptions import BotoCoreError, ClientError

    if not region:
        return
    try:
        where = client.get_bucket_location(Bucket=split_url(url)[0])["LocationConstraint"] or "us-east-1"
    except (ClientError, BotoCoreError) as error:
        raise _s3_error(url, error) from None
    if where != region:
        raise SqlError(
            "XX000",
            "S3ServiceException:The bucket you are attempting to access must be addressed using the specified endpoint."
            f" Please send all future requests to this endpoint.,Status 301,Error PermanentRedirect,{url}",
        )


@dataclass(frozen=True)
class Wanted:
    """An object that a COPY reads, and what its manifest says of it."""

    bucket: str
    key: str
    mandatory: bool = True
    bytes: int | None = None

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def objects(client: Any, source: str, manifest: bool) -> list[Wanted]:
    """The objects to load, of a manifest or by the prefix of their keys. Raises SqlError when there are none."""
    bucket, key = split_url(source)
    return _listed(client, source, bucket, key) if not manifest else _of_manifest(client, source, bucket, key)


def _listed(client: Any, source: str, bucket: str, key: str) -> list[Wanted]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
        found = [Wanted(bucket, each["Key"]) for page in pages for each in page.get("Contents", [])]
    except (ClientError, BotoCoreError) as error:
        raise _s3_error(source, error) from None
    if not found:
        raise SqlError("XX000", f"The specified S3 prefix '{key}' does not exist")
    return found


def _of_manifest(client: Any, source: str, bucket: str, key: str) -> list[Wanted]:
    content = read(client, bucket, key)
    try:
        entries = json.loads(content)["entries"]
        wanted = [(str(each["url"]), each.get("mandatory", False), each.get("meta", {})) for each in entries]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SqlError("XX000", f"Invalid manifest {source}: it is no JSON with entries and urls") from None
    found = []
    for url, mandatory, meta in wanted:
        if not url.startswith("s3://"):
            raise SqlError("XX000", f"Invalid manifest {source}: {url!r} is no s3:// URL")
        size = meta.get("content_length") if isinstance(meta, dict) else None
        found.append(Wanted(*split_url(url), bool(mandatory), size))
    return found


def content(client: Any, wanted: Wanted, source: str) -> bytes | None:
    """The bytes of an object; None when it is not there and need not be. Raises SqlError."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        found = client.get_object(Bucket=wanted.bucket, Key=wanted.key)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchKey", "NoSuchBucket"):
            raise _s3_error(wanted.url, error) from None
        if wanted.mandatory:
            raise SqlError(
                "XX000", f"Problem reading manifest {source}: the mandatory file {wanted.url} does not exist"
            ) from None
        return None
    except BotoCoreError as error:
        raise _s3_error(wanted.url, error) from None
    if wanted.bytes not in (None, len(found)):
        raise SqlError("XX000", f"{wanted.url} has {len(found)} bytes, the manifest says {wanted.bytes}")
    return found


def read(client: Any, bucket: str, key: str) -> bytes:
    """The bytes of an object. Raises SqlError."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return client.get_object(Bucket=bucket, Key=key)["Body"].read()
    except (ClientError, BotoCoreError) as error:
        raise _s3_error(f"s3://{bucket}/{key}", error) from None


def exists(client: Any, url: str) -> bool:
    """Whether an object is there. Raises SqlError."""
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, key = split_url(url)
    try:
        client.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NoSuchBucket"):
            return False
        raise _s3_error(url, error) from None
    except BotoCoreError as error:
        raise _s3_error(url, error) from None
    return True


def write(client: Any, url: str, content: bytes) -> None:
    """Stores an object. Raises SqlError."""
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, key = split_url(url)
    try:
        client.put_object(Bucket=bucket, Key=key, Body=content)
    except (ClientError, BotoCoreError) as error:
        raise _s3_error(url, error) from None


def unzip(content: bytes) -> bytes:
    """The content of a gzip file. Raises BadFile when it is damaged or cut off."""
    from isal import igzip, isal_zlib

    try:
        return igzip.decompress(content)
    except (OSError, EOFError, isal_zlib.IsalError) as error:  # type: ignore[misc]  # its stubs take the class for an instance
        raise BadFile(f"The gzip file cannot be read: {error}") from None


def _s3_error(url: str, error: Exception) -> SqlError:
    """What S3 answered, in Redshift's form."""
    from botocore.exceptions import ClientError

    if not isinstance(error, ClientError):
        return SqlError("XX000", f"S3CurlException: {error},{url}")
    told, status = error.response["Error"], error.response["ResponseMetadata"].get("HTTPStatusCode")
    return SqlError(
        "XX000", f"S3ServiceException:{told.get('Message') or 'No words'},Status {status},Error {told['Code']},{url}"
    )
