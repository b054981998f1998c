"""What the resources cost a month, used or not: a small table of list prices with its date.

AWS changes prices and they differ by region: this is for orders of magnitude. https://calculator.aws has today's.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from sf_transactions.provision.desired import Cluster, Desired

DATED = "June 2025"
REGION = "us-west-2"
HOURS = 730  # a month

# US dollars an hour.
SFTP_ENDPOINT = Decimal("0.30")
NODE = {
    "ra3.large": Decimal("0.543"),
    "ra3.xlplus": Decimal("1.086"),
    "ra3.4xlarge": Decimal("3.26"),
    "ra3.16xlarge": Decimal("13.04"),
}
RPU = Decimal("0.36")
# US dollars a GB and month, or a GB.
MANAGED_STORAGE = Decimal("0.024")
S3_STORAGE = Decimal("0.023")
SECRET = Decimal("0.40")  # a month
SFTP_DATA = Decimal("0.04")


@dataclass(frozen=True)
class Cost:
    """US dollars for a unit of `per`; None where the table has no price."""

    what: str
    amount: Decimal | None
    per: str

    @property
    def told(self) -> str:
        if self.amount is None:
            return f"our table has no price for it, per {self.per}"
        return f"${self.amount:,.{2 if self.amount >= 1 else 3}f} per {self.per}"


def idle(found: Iterable[Cost]) -> Decimal | None:
    """US dollars a month of what costs whether it is used or not; None where one of these has no price."""
    amounts = [cost.amount for cost in found if cost.per == "month"]
    return None if None in amounts else sum(filter(None, amounts), Decimal(0))


def costs(want: Desired) -> Iterator[Cost]:
    yield Cost("SFTP server, even when stopped", SFTP_ENDPOINT * HOURS, "month")
    yield Cost("SFTP server, data", SFTP_DATA, "GB")
    warehouse = want.warehouse
    if isinstance(warehouse, Cluster):
        hourly = NODE.get(warehouse.node_type)
        monthly = hourly * warehouse.nodes * HOURS if hourly is not None else None
        yield Cost(f"cluster, {warehouse.nodes} {warehouse.node_type}", monthly, "month")
    else:
        yield Cost(
            f"workgroup, {warehouse.capacity} RPUs while a query runs", RPU * warehouse.capacity, "hour of queries"
        )
    if want.login:
        yield Cost("secret of the identity provider", SECRET, "month")
    yield Cost("warehouse, storage", MANAGED_STORAGE, "GB and month")
    yield Cost("bucket, storage", S3_STORAGE, "GB and month")
