"""The files of a user of Transfer Family on loopback, which are objects in S3.

Like Transfer Family it refuses SETSTAT, has no real folders and leaves nothing outside of a user's logical home.
"""

import asyncio
import contextlib
import json
import posixpath
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from typing import IO, TYPE_CHECKING, Any

import asyncssh
from asyncssh import SFTPAttrs, SFTPName

if TYPE_CHECKING:
    from sf_transactions.local.transfer import SftpUser

IN_MEMORY = 1 << 24  # bytes of a file that stay in memory until it is stored


class _File:
    """An open file: what is read from, or written for, an object."""

    def __init__(self, bucket: str, key: str, content: IO[bytes], writable: bool) -> None:
        self.bucket, self.key, self.content, self.writable = bucket, key, content, writable


def _opened(handle: object) -> _File:
    assert isinstance(handle, _File)  # what `open` gave out
    return handle


class Files(asyncssh.SFTPServer):
    """A user's files: objects in S3 behind the logical home.

    asyncssh's own SFTPServer serves this machine's files, so every operation is either given here or refused.
    """

    def __init__(self, channel: Any, s3: Callable[[], Any]) -> None:
        super().__init__(channel)
        self._user: SftpUser = channel.get_connection().get_extra_info("sftp_user")
        self._s3 = s3()

    def _place(self, path: bytes) -> tuple[str, str]:
        """Bucket and key of a path. `..` cannot leave the logical root."""
        try:
            clean = posixpath.normpath("/" + path.decode("utf-8"))
        except UnicodeDecodeError:
            raise asyncssh.SFTPFailure("names are UTF-8") from None
        clean = "/" + clean.lstrip("/")
        for entry, target in sorted(self._user.mappings, key=lambda mapping: -len(mapping[0])):
            root = entry.rstrip("/")
            if clean == entry or clean.startswith(f"{root}/"):
                bucket, _, prefix = target.strip("/").partition("/")
                key = "/".join(part for part in (prefix, clean[len(root) :].strip("/")) if part)
                return bucket, key
        raise asyncssh.SFTPNoSuchFile("no such file")

    async def _call(self, operation: str, **arguments: Any) -> Any:
        """A call to S3 off the event loop; a refusal is the client's error."""
        from botocore.exceptions import BotoCoreError, ClientError

        if self._user.policy and not _allowed(self._user.policy, operation, arguments):
            raise asyncssh.SFTPPermissionDenied("the session's policy does not allow that")
        try:
            return await asyncio.to_thread(getattr(self._s3, operation), **arguments)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NoSuchBucket"):
                raise asyncssh.SFTPNoSuchFile("no such file") from None
            raise asyncssh.SFTPFailure(f"S3 refuses: {error.response['Error']['Code']}") from None
        except BotoCoreError:
            raise asyncssh.SFTPFailure("S3 cannot be reached") from None

    def map_path(self, path: bytes) -> bytes:
        """Whatever operation comes to be asked for, it finds no file of this machine."""
        raise asyncssh.SFTPOpUnsupported("not supported")

    async def realpath(self, path: bytes, *compose: bytes) -> bytes:
        full = posixpath.join(b"/", path, *compose)
        return posixpath.normpath(b"/" + full.lstrip(b"/"))

    async def stat(self, path: bytes) -> SFTPAttrs:
        bucket, key = self._place(path)
        if key:
            try:
                return await self._object(bucket, key)
            except asyncssh.SFTPNoSuchFile:
                if not await self._folder_holds(bucket, f"{key}/"):
                    raise
        return _attributes(None, time.time())

    lstat = stat

    async def _object(self, bucket: str, key: str) -> SFTPAttrs:
        found = await self._call("head_object", Bucket=bucket, Key=key)
        return _attributes(found["ContentLength"], found["LastModified"].timestamp())

    async def _folder_holds(self, bucket: str, prefix: str) -> list[str]:
        """One or two of the names in a folder; none when there is no such folder. The folder's own mark is one."""
        listed = await self._call("list_objects_v2", Bucket=bucket, Prefix=prefix, MaxKeys=2)
        return [each["Key"] for each in listed.get("Contents", [])]

    async def open(self, path: bytes, pflags: int, attrs: SFTPAttrs) -> _File:
        bucket, key = self._place(path)
        if not key or path.endswith(b"/"):
            raise asyncssh.SFTPFailure("that is a folder")
        if pflags & asyncssh.FXF_APPEND:
            raise asyncssh.SFTPOpUnsupported("appending is not supported")
        writable = bool(pflags & asyncssh.FXF_WRITE)
        with contextlib.ExitStack() as opening:
            content = opening.enter_context(tempfile.SpooledTemporaryFile(IN_MEMORY))
            if not writable or not pflags & asyncssh.FXF_TRUNC or pflags & asyncssh.FXF_EXCL:
                try:
                    await self._fetch(bucket, key, content)
                except asyncssh.SFTPNoSuchFile:
                    if not writable or not pflags & asyncssh.FXF_CREAT:
                        raise
                else:
                    if pflags & asyncssh.FXF_EXCL:
                        raise asyncssh.SFTPFailure("that file exists")
            opening.pop_all()  # `close` closes it
        return _File(bucket, key, content, writable)

    async def _fetch(self, bucket: str, key: str, content: IO[bytes]) -> None:
        body = (await self._call("get_object", Bucket=bucket, Key=key))["Body"]
        while part := await asyncio.to_thread(body.read, IN_MEMORY):
            content.write(part)

    async def read(self, file_obj: object, offset: int, size: int) -> bytes:
        file = _opened(file_obj)
        file.content.seek(offset)
        return file.content.read(size)

    async def write(self, file_obj: object, offset: int, data: bytes) -> int:
        file = _opened(file_obj)
        if not file.writable:
            raise asyncssh.SFTPPermissionDenied("the file was opened to be read")
        file.content.seek(offset)
        return file.content.write(data)

    async def close(self, file_obj: object) -> None:
        """A file that was written becomes an object when it is closed, and also when the connection is lost: Transfer
        Family, too, stores what has come of a partial upload."""
        file = _opened(file_obj)
        try:
            if file.writable:
                file.content.seek(0)
                await self._call("put_object", Bucket=file.bucket, Key=file.key, Body=file.content)
        finally:
            file.content.close()

    async def fstat(self, file_obj: object) -> SFTPAttrs:
        content = _opened(file_obj).content
        content.seek(0, 2)
        return _attributes(content.tell(), time.time())

    async def scandir(self, path: bytes) -> AsyncIterator[SFTPName]:
        bucket, key = self._place(path)
        prefix = f"{key}/" if key else ""
        if key and not await self._folder_holds(bucket, prefix):
            raise asyncssh.SFTPNoSuchFile("no such folder")
        following: dict[str, str] = {}
        while True:
            page = await self._call("list_objects_v2", Bucket=bucket, Prefix=prefix, Delimiter="/", **following)
            for each in page.get("CommonPrefixes", []):
                name = each["Prefix"][len(prefix) :].rstrip("/")
                yield SFTPName(name.encode(), attrs=_attributes(None, time.time()))
            for each in page.get("Contents", []):
                if name := each["Key"][len(prefix) :]:
                    yield SFTPName(name.encode(), attrs=_attributes(each["Size"], each["LastModified"].timestamp()))
            if not page["IsTruncated"]:
                return
            following = {"ContinuationToken": page["NextContinuationToken"]}

    async def remove(self, path: bytes) -> None:
        bucket, key = self._place(path)
        if not key:
            raise asyncssh.SFTPFailure("that is a folder")
        await self._object(bucket, key)
        await self._call("delete_object", Bucket=bucket, Key=key)

    async def mkdir(self, path: bytes, attrs: SFTPAttrs) -> None:
        bucket, key = self._place(path)
        if not key:
            raise asyncssh.SFTPFailure("the root is there already")
        await self._call("put_object", Bucket=bucket, Key=f"{key}/", Body=b"")

    async def rmdir(self, path: bytes) -> None:
        bucket, key = self._place(path)
        if not key:
            raise asyncssh.SFTPFailure("the root stays")
        held = await self._folder_holds(bucket, f"{key}/")
        if not held:
            raise asyncssh.SFTPNoSuchFile("no such folder")
        if held != [f"{key}/"]:
            raise asyncssh.SFTPFailure("the folder is not empty")
        await self._call("delete_object", Bucket=bucket, Key=f"{key}/")

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        (bucket, old), (target, new) = self._place(oldpath), self._place(newpath)
        if not old or not new:
            raise asyncssh.SFTPFailure("the root cannot be renamed")
        await self._object(bucket, old)
        if (bucket, old) == (target, new):
            return
        await self._call("copy_object", Bucket=target, Key=new, CopySource={"Bucket": bucket, "Key": old})
        await self._call("delete_object", Bucket=bucket, Key=old)

    posix_rename = rename

    def _no_setstat(self, *_: Any, **__: Any) -> Any:
        raise asyncssh.SFTPOpUnsupported("Transfer Family refuses SETSTAT")

    setstat = lsetstat = fsetstat = _no_setstat

    def _unsupported(self, *_: Any, **__: Any) -> Any:
        raise asyncssh.SFTPOpUnsupported("not supported")

    open56 = readlink = symlink = link = lock = unlock = statvfs = fstatvfs = fsync = _unsupported


_ACTIONS = {
    "head_object": "s3:GetObject",
    "get_object": "s3:GetObject",
    "put_object": "s3:PutObject",
    "copy_object": "s3:PutObject",
    "delete_object": "s3:DeleteObject",
    "list_objects_v2": "s3:ListBucket",
}


def _allowed(policy: str, operation: str, arguments: dict[str, Any]) -> bool:
    """Whether a session policy lets the user do this, as S3 would tell on AWS."""
    from moto.iam.access_control import PermissionResult

    from sf_transactions.local.aws.conditions import Statement

    resource = "/".join(("arn:aws:s3:::" + arguments["Bucket"], *([arguments["Key"]] if "Key" in arguments else [])))
    known = {"s3:prefix": arguments.get("Prefix", "")}
    results = [
        Statement(statement).is_action_permitted(_ACTIONS[operation], resource, None, known)
        for statement in json.loads(policy)["Statement"]
    ]
    return PermissionResult.PERMITTED in results and PermissionResult.DENIED not in results


def _attributes(size: int | None, when: float) -> SFTPAttrs:
    """Of an object, or of a folder when there is no size."""
    permissions = 0o100600 if size is not None else 0o040700
    return SFTPAttrs(size=size or 0, permissions=permissions, atime=int(when), mtime=int(when), uid=0, gid=0)
