"""Tears down what carries this project's tag, and nothing else; ends with an audit of what is left."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from sf_transactions.provision import stack
from sf_transactions.provision.aws import Aws
from sf_transactions.provision.bucket import Bucket
from sf_transactions.provision.cluster import Cluster
from sf_transactions.provision.desired import Desired
from sf_transactions.provision.errors import ProvisionError, explained
from sf_transactions.provision.plan import without_keys
from sf_transactions.provision.resource import Resource
from sf_transactions.provision.serverless import Namespace, Workgroup
from sf_transactions.settings import Settings


@dataclass(frozen=True)
class Keep:
    """What outlives the teardown: the bucket, a last snapshot of the warehouse."""

    bucket: bool = False
    snapshot: bool = False


NOTHING = Keep()


def preview(settings: Settings, keep: Keep = NOTHING) -> list[str]:
    """What a teardown would delete, a line each, in its order. Changes nothing."""
    aws, want = without_keys(settings)
    with explained("what is there"):
        found = list(stack.owned(aws, want))
        return [_previewed(resource, keep) for resource in found]


def _previewed(resource: Resource, keep: Keep) -> str:
    if isinstance(resource, Bucket):
        versions, size, more = resource.objects()
        holds = f"{'more than ' if more else ''}{versions} object versions, {size:,} bytes"
        return f"{'=' if keep.bucket else '-'} {resource.title}: {holds}{', kept' if keep.bucket else ''}"
    if isinstance(resource, Cluster | Namespace):
        return f"- {resource.title}: {'with' if keep.snapshot else 'WITHOUT'} a last snapshot"
    return f"- {resource.title}"


def teardown(settings: Settings, say: Callable[[str], object], keep: Keep = NOTHING) -> None:
    """Deletes in the order that AWS's dependencies ask for; what is gone already is passed over.

    A resource of our name without our tag is not touched, and one that AWS will not delete does not keep the others,
    which cost money, from being deleted. What was left is raised as one ProvisionError at the end.
    """
    aws, want = without_keys(settings, say)
    left: dict[str, str] = {}
    for resource in _steps(aws, want, left):
        if keep.bucket and isinstance(resource, Bucket):
            say(f"= {resource.title} is kept")
            continue
        try:
            with explained(resource.title):
                delete_with_snapshot(resource, keep.snapshot)
                say(f"- {resource.title}")
        except ProvisionError as error:
            say(f"! {resource.title} is left")
            left[resource.title] = str(error)
    left |= {title: told for title, told in _foreign(aws, want)}
    kept = ""
    for still in _steps(aws, want, left):
        if keep.bucket and isinstance(still, Bucket):
            kept = f" but {still.title}, which is kept"
        else:
            left.setdefault(still.title, f"{still.title} is still there")
    say(f"audit: left are {', '.join(left)}" if left else f"audit: nothing of this project is left{kept}")
    if left:
        raise ProvisionError("\n".join(left.values()))


def _steps(aws: Aws, want: Desired, left: dict[str, str]) -> Iterator[Resource]:
    """What is ours, kind after kind; a kind that cannot be listed is noted, and the next one follows."""
    for step in stack.by_kind(want):
        try:
            with explained(step.what):
                found = list(step.owned(aws, want))
        except ProvisionError as error:
            left[step.what] = str(error)
            continue
        yield from found


def _foreign(aws: Aws, want: Desired) -> Iterator[tuple[str, str]]:
    """What stands under our names and is not ours."""
    for resource in stack.resources(aws, want, None):
        try:
            with explained(resource.title):
                resource.find_ours()
        except ProvisionError as error:
            yield resource.title, str(error)


def delete_with_snapshot(resource: Resource, keep_data: bool) -> None:
    """Deletes it, with a last snapshot where it holds data to keep. What is gone meanwhile is passed over."""
    found = resource.find()
    if found is None and not isinstance(resource, Cluster | Namespace | Workgroup):
        return  # those may be on their way out, and are waited for
    if isinstance(resource, Cluster | Namespace):
        name = f"{resource.name}-final-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        resource.delete(found, name if keep_data else None)
    else:
        resource.delete(found)
