"""What the warehouse refuses, in words: the reason, what to do where that is known, and whether to try again helps."""

import re
import struct

# Connection lost, server going down or starting, out of memory, too many connections, serialisation conflict, deadlock.
_RETRYABLE = re.compile(
    r"\[(?:08\w{3}|57P0[123]|53[23]00|40001|40P01)\]|\b1023\b|Serializable isolation violation"
    r"|SlowDown|ServiceUnavailable|Throttl|RequestLimitExceeded|S3CurlException|S3ServiceException.*Status 50[0234]",
    re.I,
)
_FIXES = {
    r"String length exceeds DDL length|value too long for type": (
        "the text is longer than its column: widen the column in sf_transactions/model.py, run `make generated`, and "
        "ALTER the table in the warehouse"
    ),
    r"not authorized to assume IAM Role": (
        "the cluster does not have the role that REDSHIFT_ROLE names: `sf-transactions provision` attaches it"
    ),
    r"PermanentRedirect|must be addressed using the specified endpoint|Status 301": (
        "the bucket lies in another region: set AWS_DEFAULT_REGION to the region of the bucket"
    ),
    r"Access ?Denied|Status 403": (
        "the role that REDSHIFT_ROLE names may not read the bucket: `sf-transactions provision` repairs its policy"
    ),
    r"NoSuchBucket": "there is no such bucket: check S3_BUCKET, or run `sf-transactions provision`",
    r"mandatory file .* does not exist|NoSuchKey|the manifest says|gzip file cannot be read": (
        "what S3 holds is not what was sent: materialize s3/* again"
    ),
    r"password authentication failed": "check REDSHIFT_USER and REDSHIFT_PASSWORD, or the secret they come from",
    r"refuses SSL": "it speaks no TLS, as Redshift does; REDSHIFT_SSL=false is for a server on this machine",
    r"\[3D000\]": "check REDSHIFT_DATABASE",
    r"\[53100\]|disk full|out of disk|No space left": "the warehouse has no room: resize it, or delete from it",
    r"permission denied": "the database user lacks the right: it must own schema report, or be granted it",
}


class WarehouseError(RuntimeError):
    """The warehouse cannot be reached, or refused a statement; the message says what to do.

    `code` is the SQLSTATE where the server gave one, `position` the character of the statement at fault, from 1, and
    `retryable` says that the same statement may well succeed in a while.
    """

    def __init__(
        self, message: str, code: str | None = None, *, retryable: bool = False, position: int | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.retryable, self.position = code, retryable, position


def driver_errors() -> tuple[type[Exception], ...]:
    """What redshift_connector raises. A message that is cut in its middle is a struct.error."""
    import redshift_connector

    return redshift_connector.Error, OSError, struct.error


def from_driver(error: BaseException) -> WarehouseError:
    """The driver's error with the server's own words, or as a lost connection."""
    fields = error.args[0] if error.args else None
    if not isinstance(fields, dict):
        words = ": ".join(str(arg) for arg in error.args) or type(error).__name__
        return WarehouseError(with_fix(f"no connection: {words}"), retryable=_is_lost(error))
    code, message, detail = fields.get("C"), fields.get("M"), fields.get("D")
    text = f"{message}{f' ({detail})' if detail else ''} [{code}]"
    position = str(fields.get("P") or "")
    return WarehouseError(
        with_fix(text), code, retryable=is_retryable(text), position=int(position) if position.isdigit() else None
    )


def _is_lost(error: BaseException) -> bool:
    import redshift_connector

    lost = (redshift_connector.InterfaceError, redshift_connector.OperationalError, OSError, struct.error)
    return isinstance(error, lost) and not re.search("SSL|certificate", str(error))


def is_retryable(text: str) -> bool:
    """Whether what the server said passes by itself."""
    return bool(_RETRYABLE.search(text))


def with_fix(text: str) -> str:
    """What the server said, and what to do about it where that is known."""
    fix = next((fix for pattern, fix in _FIXES.items() if re.search(pattern, text, re.I)), None)
    return f"{text}: {fix}" if fix else text
