"""All resources of the project: in the order in which they are made, and in that in which they are deleted."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sf_transactions.provision import desired, login
from sf_transactions.provision.aws import Aws
from sf_transactions.provision.bucket import Bucket
from sf_transactions.provision.catalog import Catalog
from sf_transactions.provision.cluster import Cluster
from sf_transactions.provision.desired import Desired
from sf_transactions.provision.keys import Keys
from sf_transactions.provision.network import SecurityGroup
from sf_transactions.provision.resource import Resource
from sf_transactions.provision.roles import Policy, Role
from sf_transactions.provision.serverless import Namespace, Workgroup
from sf_transactions.provision.sftp import Server, User

# What computes goes first: it costs most, and holds on to the rest. Roles, see `by_kind`.
TEARDOWN: tuple[type[Resource], ...] = (
    Cluster,
    Workgroup,
    Namespace,
    SecurityGroup,
    Server,
    login.Function,
    Policy,
    Bucket,
    Catalog,
    login.Secret,
    login.Table,
    login.LogGroup,
)


@dataclass(frozen=True)
class Secrets:
    """What the settings give and nothing shows: the warehouse's password, the identity provider's client secret."""

    password: str | None = field(default=None, repr=False)
    client_secret: str | None = field(default=None, repr=False)


NONE = Secrets()


def resources(aws: Aws, want: Desired, keys: Keys | None, secrets: Secrets = NONE) -> list[Resource]:
    """What should be there, each after what it needs."""
    user = [] if want.login else [User(aws, want, want.sftp_username)]
    return [
        Bucket(aws, want),
        *(Policy(aws, want, role.policy) for role in want.roles),
        *(Role(aws, want, role) for role in want.roles),
        *login.resources(aws, want, secrets.client_secret),
        Server(aws, want, keys),
        *user,
        SecurityGroup(aws, want, want.security_group),
        *_warehouse(aws, want, secrets.password),
        Catalog(aws, want, want.catalog),
    ]


def _warehouse(aws: Aws, want: Desired, password: str | None) -> list[Resource]:
    if isinstance(want.warehouse, desired.Cluster):
        return [Cluster(aws, want, want.warehouse, password)]
    return [Namespace(aws, want, want.warehouse, password), Workgroup(aws, want, want.warehouse)]


@dataclass(frozen=True)
class Step:
    """A step of the teardown: what of ours is of one kind."""

    what: str
    owned: Callable[[Aws, Desired], Iterator[Resource]]


def by_kind(want: Desired) -> list[Step]:
    """The steps in order. The role that the cluster assumes goes before the SFTP server, all others after it."""

    def roles(redshift: bool) -> Callable[[Aws, Desired], Iterator[Resource]]:
        return lambda aws, want: (
            role for role in Role.owned(aws, want) if (role.name == want.redshift_role.name) is redshift
        )

    steps = [Step(f"{kind.kind}s", kind.owned) for kind in TEARDOWN]
    at = TEARDOWN.index(Server)
    return [*steps[:at], Step("roles", roles(True)), steps[at], Step("roles", roles(False)), *steps[at + 1 :]]


def owned(aws: Aws, want: Desired) -> Iterator[Resource]:
    """What carries our tag, whatever the settings call it now, in the order of deletion."""
    for step in by_kind(want):
        yield from step.owned(aws, want)


def superseded(aws: Aws, want: Desired) -> Iterator[Resource]:
    """What is ours and no longer in the settings: a cluster that was renamed, or gave way to a workgroup.

    The parts of an identity provider are looked for only where one is or was, which its policy tells: they are of four
    services that nothing else here uses.
    """
    titles = {resource.title for resource in resources(aws, want, None)}
    policies = list(Policy.owned(aws, want))
    had_login = want.login is not None or any(policy.title not in titles for policy in policies)
    kinds: tuple[type[Resource], ...] = (User, Role, *(kind for kind in TEARDOWN if kind is not Policy))
    for kind in kinds:
        if kind in login.KINDS and not had_login:
            continue
        for resource in kind.owned(aws, want):
            if resource.title not in titles:
                yield resource
    yield from (policy for policy in policies if policy.title not in titles)
