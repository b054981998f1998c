"""Whether the whole chain stands: each link tried with the doors that a run uses, and what is wrong in words."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sf_transactions.settings import Settings

# A link that needs another one is not tried when that one is broken.
Check = Callable[["_Patient"], str]


@dataclass(frozen=True)
class Finding:
    """A link of the chain: whether it stands, and what was seen. None: not tried."""

    link: str
    stands: bool | None
    told: str


class _Patient:
    """The settings, and the doors made from them when they are first needed."""

    def __init__(self, settings: Settings) -> None:
        from dagster_aws.s3 import S3Resource

        from sf_transactions.resources.storage import Storage
        from sf_transactions.resources.transfer import Transfer
        from sf_transactions.resources.warehouse import Warehouse

        self.settings = settings
        self.storage = Storage(s3=S3Resource(), bucket=settings.s3_bucket, prefix=settings.prefix)
        self.transfer = Transfer.from_settings(settings)
        self.warehouse = Warehouse.from_settings(settings)
        self.probe = f"doctor/{secrets.token_hex(8)}.csv"


def examine(settings: Settings) -> Iterator[Finding]:
    """The links in the order in which data goes, each as soon as it was tried."""
    from botocore.exceptions import BotoCoreError, ClientError

    from sf_transactions.provision.errors import ProvisionError
    from sf_transactions.resources.storage import StorageError
    from sf_transactions.resources.transfer import TransferError
    from sf_transactions.resources.warehouse import WarehouseError
    from sf_transactions.settings import SettingsError

    wrong = (ProvisionError, SettingsError, StorageError, TransferError, WarehouseError, ClientError, BotoCoreError)
    patient = _Patient(settings)
    broken: set[str] = set()
    for link, needs, check in LINKS:
        if broken & set(needs):
            broken.add(link)
            yield Finding(link, None, f"not tried, because of: {', '.join(sorted(broken & set(needs)))}")
            continue
        try:
            yield Finding(link, True, check(patient))
        except wrong as error:
            broken.add(link)
            yield Finding(link, False, str(error))


def _credentials(patient: _Patient) -> str:
    from sf_transactions.provision.aws import connect

    aws = connect(patient.settings)
    return f"account {aws.account}, region {aws.region}"


def _resources(patient: _Patient) -> str:
    from sf_transactions.provision.errors import ProvisionError
    from sf_transactions.provision.plan import plan

    wrong = [f"{action.resource}: {action.reason}" for action in plan(patient.settings).actions if action.sign != "="]
    if wrong:
        raise ProvisionError(f"{'; '.join(wrong)}. Run `sf-transactions provision`")
    return "all are there as they should be"


def _bucket(patient: _Patient) -> str:
    from sf_transactions.provision.errors import explained

    where = {"Bucket": patient.storage.name(), "Prefix": patient.storage.prefix}
    with explained(f"bucket {patient.storage.name()}"):
        patient.storage.client().list_objects_v2(**where, MaxKeys=1)
    return f"{patient.storage.url('')} can be listed"


def _sftp(patient: _Patient) -> str:
    """A file goes the way of the star's files: by SFTP, and is read back from S3."""
    import hashlib

    content = PROBE.encode()
    with patient.transfer.connect() as sftp:
        sftp.put(content, f"/{patient.probe}")
        patient.storage.verify(patient.probe, len(content), hashlib.sha256(content).hexdigest())
    return f"{patient.settings.sftp_username} logs in, the host key is the pinned one, and a file arrives in S3"


def _sql(patient: _Patient) -> str:
    settings = patient.settings
    patient.warehouse.query("select 1 as one")
    return f"{settings.redshift_user} logs in to {settings.redshift_database} and is answered"


def _copy(patient: _Patient) -> str:
    """COPY of the file into a temporary table that goes with the connection."""
    from sf_transactions.resources.warehouse import execute, fetch

    url, role = patient.storage.url(patient.probe), patient.storage.copy_role()
    with patient.warehouse.connect() as connection:
        execute(connection, "create temporary table doctor (a integer, b varchar(10))")
        execute(
            connection,
            f"copy doctor from '{url}' iam_role '{role}' region '{patient.storage.region()}'"
            " format as csv ignoreheader 1",
        )
        counted = fetch(connection, "select count(*) as rows_loaded from doctor")["rows_loaded"][0]
    return f"COPY reads the bucket as {role.rsplit('/', 1)[-1]}: {counted} row"


def _tidy(patient: _Patient) -> str:
    with patient.transfer.connect() as sftp:
        sftp.remove(f"/{patient.probe}")
    return "the file of this examination is removed"


PROBE = "a,b\n1,one\n"
LINKS: tuple[tuple[str, tuple[str, ...], Check], ...] = (
    ("credentials", (), _credentials),
    ("resources", ("credentials",), _resources),
    ("bucket", ("credentials",), _bucket),
    ("SFTP", ("bucket",), _sftp),
    ("SQL", (), _sql),
    ("COPY", ("SFTP", "SQL"), _copy),
    ("tidying up", ("SFTP",), _tidy),
)
