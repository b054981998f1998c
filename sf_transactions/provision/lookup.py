"""What a run looks up from AWS by name when the settings give no host: endpoints and the role of COPY."""

from sf_transactions.provision import actual
from sf_transactions.provision.errors import NotProvisioned, explained
from sf_transactions.settings import Settings


def sftp_endpoint(settings: Settings) -> tuple[str, int]:
    """Host and port of the project's SFTP server. Raises NotProvisioned."""
    aws = actual.connect()
    with explained("SFTP server"):
        server = actual.sftp_server(aws, settings.required("s3_bucket"))
    if server is None:
        raise NotProvisioned("there is no SFTP server of this project: run `sf-transactions provision`")
    return sftp_host(server, aws.region), settings.port("sftp_port") or 22


def sftp_host(server: str, region: str) -> str:
    return f"{server}.server.transfer.{region}.amazonaws.com"


def redshift_endpoint(settings: Settings) -> tuple[str, int]:
    """Host and port of the cluster. Raises NotProvisioned."""
    aws = actual.connect()
    with explained(f"cluster {settings.redshift_cluster}"):
        found = actual.cluster(aws, settings.redshift_cluster)
    if found is None or "Address" not in found.get("Endpoint", {}):
        raise NotProvisioned(
            f"there is no running cluster {settings.redshift_cluster}: run `sf-transactions provision`"
        )
    return found["Endpoint"]["Address"], settings.port("redshift_port") or int(found["Endpoint"]["Port"])


def redshift_role_arn(settings: Settings) -> str:
    """The role that the cluster assumes for COPY. Raises NotProvisioned."""
    aws = actual.connect()
    with explained(f"role {settings.redshift_role}"):
        found = actual.role(aws, settings.redshift_role)
    if found is None:
        raise NotProvisioned(f"there is no role {settings.redshift_role}: run `sf-transactions provision`")
    return found["Arn"]
