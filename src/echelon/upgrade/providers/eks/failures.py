"""What goes wrong at EKS, as codes of our own. Messages keep the codes and words of AWS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from echelon.api.meta import Clock
from echelon.upgrade.providers.clouds import retry_after, sdk
from echelon.upgrade.providers.contract import Code, ProviderError

CODES: Mapping[str, Code] = {
    # of updates
    "PodEvictionFailure": Code.PDB_BLOCKED,
    "NodeCreationFailure": Code.NODE_NOT_READY,
    "InsufficientNumberOfReplicas": Code.NODE_NOT_READY,
    "InsufficientFreeAddresses": Code.CAPACITY,
    "IpNotAvailable": Code.CAPACITY,
    "EniLimitReached": Code.QUOTA,
    "AccessDenied": Code.AUTH,
    "OperationNotPermitted": Code.AUTH,
    "ClusterUnreachable": Code.NETWORK,
    "SubnetNotFound": Code.NOT_FOUND,
    "SecurityGroupNotFound": Code.NOT_FOUND,
    "VpcIdNotFound": Code.NOT_FOUND,
    # of requests
    "ThrottlingException": Code.THROTTLED,
    "TooManyRequestsException": Code.THROTTLED,
    "RequestLimitExceeded": Code.THROTTLED,
    "ResourceLimitExceededException": Code.QUOTA,
    "ResourceInUseException": Code.CONFLICT,
    "InvalidStateException": Code.CONFLICT,
    "ResourceNotFoundException": Code.NOT_FOUND,
    "AccessDeniedException": Code.AUTH,
    "UnrecognizedClientException": Code.AUTH,
    "InvalidClientTokenId": Code.AUTH,
    "ExpiredTokenException": Code.AUTH,
    "ExpiredToken": Code.AUTH,
    "InvalidSignatureException": Code.AUTH,
    "UnsupportedAvailabilityZoneException": Code.CAPACITY,
    "ServiceUnavailableException": Code.NETWORK,
}
_PASSING = frozenset({Code.THROTTLED, Code.CONFLICT, Code.AUTH, Code.NETWORK})


def code_of(aws_code: str, message: str = "") -> Code:
    """Our code for one of AWS's."""
    if aws_code in ("InvalidParameterException", "InvalidRequestException"):
        return Code.INVALID_VERSION if "version" in message.lower() else Code.UNSUPPORTED
    return CODES.get(aws_code, Code.UNKNOWN)


@contextmanager
def told(what: str, clock: Clock) -> Iterator[None]:
    """Failures of the SDK as ``ProviderError``; ``what`` says what was asked about."""
    exceptions = sdk("botocore.exceptions", "aws")
    try:
        yield
    except exceptions.ClientError as error:
        raise _refused(what, error.response, clock) from error
    except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
        raise ProviderError(Code.NETWORK, f"{what}: AWS cannot be reached: {error}", retryable=True) from error
    except exceptions.BotoCoreError as error:  # credentials that are missing, among others
        raise ProviderError(Code.AUTH, f"{what}: {error}", retryable=True) from error


def _refused(what: str, response: Mapping[str, Any], clock: Clock) -> ProviderError:
    error, metadata = response.get("Error", {}), response.get("ResponseMetadata", {})
    aws_code, message = error.get("Code", "Unknown"), error.get("Message", "")
    code = code_of(aws_code, message)
    pause = retry_after(metadata.get("HTTPHeaders", {}).get("retry-after"), clock.now())
    retryable = code in _PASSING or metadata.get("HTTPStatusCode", 0) >= 500
    return ProviderError(code, f"{what}: {aws_code}: {message}", retryable=retryable, retry_after=pause)
