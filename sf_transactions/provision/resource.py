"""What every resource is to plan, provision and teardown: found, made, set right, deleted."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from sf_transactions.provision.aws import Aws, refuse_foreign
from sf_transactions.provision.desired import Desired
from sf_transactions.provision.errors import ProvisionError, code, message

# A new role is known to all of AWS only after some seconds.
ROLE_SECONDS = 90
PAUSE_SECONDS = 3.0
TELL_SECONDS = 30.0  # between two words about a wait


@dataclass(frozen=True)
class Change:
    """What is otherwise than it should be, and how it is set right."""

    reason: str
    do: Callable[[], object] = field(repr=False, compare=False)


class Resource(ABC):
    """One resource of the project. Every step may be repeated, and each call to AWS leaves a state that the next run
    understands: a resource is made with its tag in the same call, so that it is never ours without being known as ours.
    """

    kind: ClassVar[str]

    def __init__(self, aws: Aws, want: Desired) -> None:
        self.aws, self.want = aws, want

    @property
    @abstractmethod
    def name(self) -> str: ...

    @property
    def title(self) -> str:
        return f"{self.kind} {self.name}"

    @abstractmethod
    def find(self) -> Any | None:
        """AWS's description of the resource of this name, or None when there is none."""

    @abstractmethod
    def tags(self, found: Any) -> dict[str, str]: ...

    @abstractmethod
    def create(self) -> None: ...

    @abstractmethod
    def drift(self, found: Any) -> Iterator[Change]:
        """What someone changed, or a killed run has left undone."""

    @abstractmethod
    def delete(self, found: Any) -> None:
        """Deletes it and waits until it is gone. What it needs gone before is gone by then."""

    @classmethod
    @abstractmethod
    def owned(cls, aws: Aws, want: Desired) -> "Iterator[Resource]":
        """All of this kind that carry our tag, whatever the settings call them now."""

    def find_ours(self) -> Any | None:
        """As `find`. Raises ProvisionError when the resource belongs to someone else."""
        found = self.find()
        if found is not None:
            refuse_foreign(self.title, self.tags(found), self.want.owner)
        return found


class Named(Resource):
    """A resource that is known by a name given from outside: of the settings, or as AWS lists it."""

    def __init__(self, aws: Aws, want: Desired, name: str) -> None:
        super().__init__(aws, want)
        self._name = name

    @property
    def name(self) -> str:
        return self._name


def unless_gone(call: Callable[..., Any], *gone: str, **asked: Any) -> Any | None:
    """What a call answers, or None when it answers by one of these codes that there is no such thing."""
    from botocore.exceptions import ClientError

    try:
        return call(**asked)
    except ClientError as error:
        if code(error) in gone:
            return None
        raise


def once_role_is_known(call: Callable[[], Any]) -> Any:
    """Repeats a call that AWS refuses only because it does not know a new role or policy everywhere yet."""
    from botocore.exceptions import ClientError

    deadline = time.monotonic() + ROLE_SECONDS
    while True:
        try:
            return call()
        except ClientError as error:
            if not _may_be_unknown_yet(error) or time.monotonic() > deadline:
                raise
            time.sleep(PAUSE_SECONDS)


def _may_be_unknown_yet(error: BaseException) -> bool:
    if code(error) == "NoSuchEntity":
        return True
    invalid = code(error).startswith(("InvalidParameter", "InvalidRequest", "Validation", "MalformedPolicy"))
    return invalid and "role" in message(error).lower()


def wait(aws: Aws, what: str, until: Callable[[], bool], seconds: float) -> None:
    """Asks until it is so, and tells now and then that it does. Raises ProvisionError after `seconds`."""
    started = told = time.monotonic()
    while not until():
        now = time.monotonic()
        if now - started > seconds:
            raise ProvisionError(
                f"{what} took longer than {seconds:.0f} s; look at it in AWS's console, and run this again"
            )
        if now - told > TELL_SECONDS:
            aws.say(f"  {what}: {now - started:.0f} s")
            told = now
        time.sleep(PAUSE_SECONDS)
