"""What can go wrong with AWS resources, in one sentence that names the resource and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

_CREDENTIALS = "AWS does not accept the credentials; check AWS_PROFILE or AWS_ACCESS_KEY_ID, and that they are in date"
_DENIED = "these credentials may not do that; ask for the permission, or use others"

# What to do about an answer of AWS, by its code.
ADVICE = {
    "BucketAlreadyExists": "somebody else has a bucket of this name; choose another S3_BUCKET",
    "NoSuchBucket": "run `sf-transactions provision`, or check S3_BUCKET",
    "IllegalLocationConstraintException": "the region does not fit; check AWS_DEFAULT_REGION",
    "ClusterAlreadyExists": "a cluster of this name was made meanwhile; choose another REDSHIFT_CLUSTER",
    "InsufficientClusterCapacity": "choose another REDSHIFT_NODE_TYPE or region, or try later",
    "LimitExceeded": "ask AWS for a higher quota, or delete what is not needed",
    "LimitExceededFault": "ask AWS for a higher quota, or delete what is not needed",
    "301": "the bucket is in another region; set AWS_DEFAULT_REGION to it, or choose another S3_BUCKET",
    "403": _DENIED,
    "AccessDenied": _DENIED,
    "AccessDeniedException": _DENIED,
    "UnauthorizedOperation": _DENIED,
    "AuthFailure": _CREDENTIALS,
    "ExpiredToken": _CREDENTIALS,
    "ExpiredTokenException": _CREDENTIALS,
    "InvalidAccessKeyId": _CREDENTIALS,
    "InvalidClientTokenId": _CREDENTIALS,
    "SignatureDoesNotMatch": _CREDENTIALS,
    "UnrecognizedClientException": _CREDENTIALS,
    "VPCIdNotSpecified": "the account has no default VPC in this region; make one with `aws ec2 create-default-vpc`",
    "DependencyViolation": "something else still uses it; remove that first and run this again",
}
_LONGEST = 300


class ProvisionError(RuntimeError):
    """AWS refused, or a resource is not ours."""


class NotProvisioned(ProvisionError):
    """A resource that a run needs is not there."""


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turns boto3's errors into a ProvisionError about `what`."""
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        EndpointConnectionError,
        HTTPClientError,
        NoCredentialsError,
        NoRegionError,
    )

    try:
        yield
    except NoCredentialsError:
        raise ProvisionError(f"{what}: no AWS credentials; run `aws configure` or set AWS_PROFILE") from None
    except NoRegionError:
        raise ProvisionError(f"{what}: no AWS region; set AWS_DEFAULT_REGION") from None
    except ClientError as error:
        raise ProvisionError(f"{what}: {_told(error)}") from None
    except (EndpointConnectionError, HTTPClientError) as error:
        raise ProvisionError(
            f"{what}: AWS cannot be reached ({_short(error)}); check the network and AWS_ENDPOINT_URL"
        ) from None
    except BotoCoreError as error:
        raise ProvisionError(f"{what}: {_short(error)}") from None


def code(error: BaseException) -> str:
    """The code of a ClientError, such as NoSuchEntity."""
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))


def message(error: BaseException) -> str:
    """The message of a ClientError."""
    return str(getattr(error, "response", {}).get("Error", {}).get("Message", ""))


def _told(error: BaseException) -> str:
    answer = f"AWS answers {code(error)}: {_short(message(error))}"
    advice = ADVICE.get(code(error))
    return f"{answer}; {advice}" if advice else answer


def _short(told: object) -> str:
    """One line of bearable length: a proxy or a stand-in may answer with a whole page."""
    line = " ".join(str(told).split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
