"""What a run looks up from AWS by name when the settings give no host: endpoints and the role of COPY."""

from sf_transactions.provision import cluster, roles, serverless
from sf_transactions.provision.aws import Aws, connect
from sf_transactions.provision.errors import NotProvisioned, explained
from sf_transactions.provision.resource import unless_gone
from sf_transactions.provision.sftp import server_id
from sf_transactions.settings import Settings


def sftp_endpoint(settings: Settings, aws: Aws | None = None) -> tuple[str, int]:
    """Host and port of the SFTP server, from the settings or from AWS. Raises NotProvisioned."""
    port = settings.port("sftp_port") or 22
    if settings.sftp_host:
        return settings.sftp_host, port
    aws = aws or connect(settings)
    with explained("SFTP server"):
        server = server_id(aws, settings.required("s3_bucket"))
    if server is None:
        raise NotProvisioned("there is no SFTP server of this project: run `sf-transactions provision`")
    return sftp_host(server, aws.region), port


def sftp_host(server: str, region: str) -> str:
    return f"{server}.server.transfer.{region}.amazonaws.com"


def redshift_endpoint(settings: Settings, aws: Aws | None = None) -> tuple[str, int]:
    """Host and port of the cluster or workgroup, from the settings or from AWS. Raises NotProvisioned."""
    port = settings.port("redshift_port")
    if settings.redshift_host:
        return settings.redshift_host, port or 5439
    aws = aws or connect(settings)
    if settings.redshift_workgroup:
        what = f"workgroup {settings.redshift_workgroup}"
        with explained(what):
            found = serverless.describe(aws, "workgroup", settings.redshift_workgroup)
        endpoint = (found or {}).get("endpoint", {})
        host, told = endpoint.get("address"), endpoint.get("port")
    else:
        what = f"cluster {settings.redshift_cluster}"
        with explained(what):
            found = cluster.describe(aws, settings.redshift_cluster)
        endpoint = (found or {}).get("Endpoint", {})
        host, told = endpoint.get("Address"), endpoint.get("Port")
    if not host:
        raise NotProvisioned(f"there is no running {what}: run `sf-transactions provision`")
    return host, port or int(told)


def redshift_role_arn(settings: Settings) -> str:
    """The role that the cluster assumes for COPY. Raises NotProvisioned."""
    aws = connect(settings)
    with explained(f"role {settings.redshift_role}"):
        answer = unless_gone(aws.client("iam").get_role, roles.GONE, RoleName=settings.redshift_role)
    if answer is None:
        raise NotProvisioned(f"there is no role {settings.redshift_role}: run `sf-transactions provision`")
    return answer["Role"]["Arn"]
