"""What can go wrong with AWS resources, in one sentence that names the resource and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager


class ProvisionError(RuntimeError):
    """AWS refused, or a resource is not ours."""


class NotProvisioned(ProvisionError):
    """A resource that a run needs is not there."""


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turns boto3's errors into a ProvisionError about `what`."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

    try:
        yield
    except NoCredentialsError:
        raise ProvisionError(f"{what}: no AWS credentials; run `aws configure` or set AWS_PROFILE") from None
    except NoRegionError:
        raise ProvisionError(f"{what}: no AWS region; set AWS_DEFAULT_REGION") from None
    except ClientError as error:
        told = error.response.get("Error", {})
        raise ProvisionError(f"{what}: AWS answers {told.get('Code')}: {told.get('Message')}") from None
    except BotoCoreError as error:
        raise ProvisionError(f"{what}: {error}") from None


def code(error: BaseException) -> str:
    """The code of a ClientError, such as NoSuchEntity."""
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))
