"""What is made of the words of clouds: windows, images, codes. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from echelon.testing.fakeclouds import ManualClock
from echelon.upgrade.providers.aks.failures import code_of as aks_code
from echelon.upgrade.providers.clouds import retry_after
from echelon.upgrade.providers.contract import Code, ProviderError
from echelon.upgrade.providers.eks.failures import code_of as eks_code
from echelon.upgrade.providers.eks.failures import told as eks_told
from echelon.upgrade.providers.eks.images import image_of, published_at, release_of
from echelon.upgrade.providers.gke.failures import code_of as gke_code
from echelon.upgrade.providers.gke.failures import told as gke_told
from echelon.upgrade.providers.gke.windows import Exclusion, NotUnderstood, Scope, daily, excluded, recurring

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)  # a Monday
SATURDAY = datetime(2026, 1, 3, 22, tzinfo=UTC)


# windows


@pytest.mark.parametrize(
    ("rule", "opening"),
    [
        ("FREQ=DAILY", datetime(2026, 3, 2, 22)),
        ("FREQ=DAILY;INTERVAL=2", datetime(2026, 3, 2, 22)),
        ("FREQ=WEEKLY", datetime(2026, 3, 7, 22)),
        ("RRULE:FREQ=WEEKLY;BYDAY=WE,TU", datetime(2026, 3, 3, 22)),
        ("FREQ=DAILY;BYDAY=SU", datetime(2026, 3, 8, 22)),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=SA;WKST=MO", datetime(2026, 3, 14, 22)),
        ("FREQ=MONTHLY;BYMONTHDAY=15", datetime(2026, 3, 15, 22)),
        ("FREQ=MONTHLY;BYDAY=2TU", datetime(2026, 3, 10, 22)),
        ("FREQ=MONTHLY;BYDAY=-1FR", datetime(2026, 3, 27, 22)),
    ],
)
def test_rules_that_are_understood(rule: str, opening: datetime) -> None:
    found = recurring(SATURDAY, SATURDAY + timedelta(hours=5), rule).next_opening(NOW)
    assert found is not None
    assert found.opens_at == opening.replace(tzinfo=UTC)
    assert found.closes_at - found.opens_at == timedelta(hours=5)


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "FREQ=YEARLY",
        "FREQ=DAILY;COUNT=3",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;INTERVAL=2;BYDAY=SA",
        "FREQ=MONTHLY",
        "FREQ=MONTHLY;BYDAY=SA",
        "FREQ=MONTHLY;BYDAY=2XX",
        "FREQ=WEEKLY;BYDAY=2TU",
        "FREQ=MONTHLY;BYMONTHDAY=-1",
    ],
)
def test_rules_that_are_not(rule: str) -> None:
    with pytest.raises(NotUnderstood):
        recurring(SATURDAY, SATURDAY + timedelta(hours=4), rule)


def test_windows_longer_than_a_day_are_not_understood() -> None:
    with pytest.raises(NotUnderstood, match="a window of 30 hours"):
        recurring(SATURDAY, SATURDAY + timedelta(hours=30), "FREQ=WEEKLY")


def test_a_daily_window() -> None:
    window = daily("08:00")
    assert window.is_open(NOW)
    assert not window.is_open(NOW + timedelta(hours=3))


@pytest.mark.parametrize(
    ("scope", "minor", "nodes", "holds"),
    [
        ("NO_UPGRADES", False, False, True),
        ("NO_MINOR_UPGRADES", True, False, True),
        ("NO_MINOR_UPGRADES", False, True, False),
        ("NO_MINOR_OR_NODE_UPGRADES", False, True, True),
        ("NO_MINOR_OR_NODE_UPGRADES", False, False, False),
    ],
)
def test_exclusions(scope: Scope, minor: bool, nodes: bool, holds: bool) -> None:
    hour = timedelta(hours=1)
    now = Exclusion(name="now", start=NOW - hour, end=NOW + hour, scope=scope)
    others = [
        Exclusion(name="past", start=NOW - 2 * hour, end=NOW, scope=scope),
        Exclusion(name="later", start=NOW + hour, end=None, scope=scope),
    ]
    assert excluded([*others, now], NOW, minor=minor, nodes=nodes) == (now if holds else None)


# images


def test_images_of_eks() -> None:
    image = image_of("AL2023_x86_64_STANDARD", "1.31", "1.31.4-20250123")
    assert image == "AL2023_x86_64_STANDARD-1.31-1.31.4.20250123"
    assert release_of(image) == "1.31.4-20250123"
    assert release_of(image_of("BOTTLEROCKET_ARM_64", "1.31", "1.20.3-5d9ac849")) == "1.20.3-5d9ac849"
    assert image_of("CUSTOM", "1.31", "ami-1") == ""
    assert published_at("AL2_ARM_64", "1.31") == (
        "/aws/service/eks/optimized-ami/1.31/amazon-linux-2-arm64/recommended/release_version"
    )
    assert published_at("BOTTLEROCKET_x86_64_NVIDIA", "1.31") == (
        "/aws/service/bottlerocket/aws-k8s-1.31-nvidia/x86_64/latest/image_version"
    )


# codes


@pytest.mark.parametrize(
    ("azure", "code"),
    [
        ("PodDrainFailure", Code.PDB_BLOCKED),
        ("ErrCode_InsufficientVCPUQuota", Code.QUOTA),
        ("SubscriptionRequestsThrottled", Code.THROTTLED),
        ("ZonalAllocationFailed", Code.CAPACITY),
        ("SubnetIsFull", Code.CAPACITY),
        ("AgentPoolK8sVersionNotSupported", Code.INVALID_VERSION),
        ("LinkedAuthorizationFailed", Code.AUTH),
        ("ResourceGroupNotFound", Code.NOT_FOUND),
        ("NodesNotReady", Code.NODE_NOT_READY),
        ("OperationNotAllowed", Code.UNSUPPORTED),
        ("SomethingElse", Code.UNKNOWN),
    ],
)
def test_codes_of_azure(azure: str, code: Code) -> None:
    assert aks_code(azure) is code


def test_codes_of_azure_that_need_more() -> None:
    assert aks_code("OperationNotAllowed", "exceeds the core quota") is Code.QUOTA
    assert aks_code("OperationNotAllowed", "in progress", 409) is Code.CONFLICT
    assert aks_code("Strange", "", 412) is Code.CONFLICT


@pytest.mark.parametrize(
    ("aws", "message", "code"),
    [
        ("PodEvictionFailure", "", Code.PDB_BLOCKED),
        ("InvalidParameterException", "Unsupported Kubernetes version", Code.INVALID_VERSION),
        ("InvalidRequestException", "Nodegroup has no AMI", Code.UNSUPPORTED),
        ("Strange", "", Code.UNKNOWN),
    ],
)
def test_codes_of_aws(aws: str, message: str, code: Code) -> None:
    assert eks_code(aws, message) is code


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        ("PERMISSION_DENIED", "Insufficient regional quota", Code.QUOTA),
        ("PERMISSION_DENIED", "Required permission is missing", Code.AUTH),
        ("FAILED_PRECONDITION", "Cluster is running incompatible operation operation-1", Code.CONFLICT),
        ("INVALID_ARGUMENT", "Master version must be one of", Code.INVALID_VERSION),
        ("RESOURCE_EXHAUSTED", "The zone does not have enough resources", Code.CAPACITY),
        ("INTERNAL", "", Code.UNKNOWN),
        ("UNAUTHENTICATED", "the quota project", Code.AUTH),
    ],
)
def test_codes_of_google(status: str, message: str, code: Code) -> None:
    assert gke_code(status, message) is code


def test_credentials_that_are_missing() -> None:
    from botocore.exceptions import NoCredentialsError
    from google.auth.exceptions import DefaultCredentialsError

    clock = ManualClock(NOW)
    for told, error in ((eks_told, NoCredentialsError()), (gke_told, DefaultCredentialsError("none"))):
        with pytest.raises(ProviderError) as caught, told("eks://x/y", clock):
            raise error
        assert (caught.value.code, caught.value.retryable) == (Code.AUTH, True)


def test_answers_of_proxies_are_told_as_they_are() -> None:
    from google.api_core.exceptions import BadGateway

    error = BadGateway("no upstream", response=SimpleNamespace(headers={}))
    with pytest.raises(ProviderError, match="x: 502: no upstream") as caught, gke_told("x", ManualClock(NOW)):
        raise error
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("", None), ("7", 7.0), ("Mon, 02 Mar 2026 09:01:00 GMT", 60.0), ("soon", None), ("-3", 0.0)],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds
