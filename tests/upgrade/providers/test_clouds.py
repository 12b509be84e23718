"""AKS, EKS and GKE against the contract, each with its own SDK and a cloud that is played."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from echelon.upgrade.providers.contract import Code, Member, Operation, Progress, Provider, ProviderError
from echelon.upgrade.providers.steps import SteppedProvider

from .clouds import AL2023, BEGIN, COS, UBUNTU, Played, playing
from .contract import ProviderContract, finished

CLOUDS = ("aks", "eks", "gke")
IMAGES_ONLY = {
    "aks": f"{UBUNTU}-202411.03.0",
    "eks": f"{AL2023}-1.30-1.30.7.20250202",
    "gke": f"{COS}-1.30-5.gke.200",
}


@pytest.fixture(params=CLOUDS)
async def platform(request: pytest.FixtureRequest) -> AsyncIterator[Played]:
    async with playing(request.param) as played:
        yield played


@pytest.fixture
async def provider(platform: Played) -> AsyncIterator[SteppedProvider]:
    provider, found = platform.provider()
    yield provider
    await found.close()


@pytest.fixture
def cluster(platform: Played) -> Member:
    return platform.member


class TestContract(ProviderContract):
    pass


# -- steps --------------------------------------------------------------------------------------


async def test_steps_go_in_order_and_nodes_are_counted(provider: Provider, cluster: Member, platform: Played) -> None:
    handle = await provider.start(cluster, platform.target, "key-1")
    seen: list[tuple[str, int, int]] = []
    while not (progress := await provider.poll(cluster, handle)).ended:
        handle = progress.handle or handle
        seen.append((progress.message, progress.nodes_done, progress.nodes_total))
        platform.clock.advance(200)
    assert list(dict.fromkeys(seen)) == [
        ("Upgrading the control plane", 0, 3),
        ("Upgrading node pool system", 0, 3),
        ("Upgrading node pool user", 1, 3),
    ]
    assert (progress.state, progress.nodes_done) == ("Succeeded", 3)
    assert [found.pool for found in platform.operations] == ["", "system", "user"]


async def test_nodes_only_get_another_image(provider: Provider, cluster: Member, platform: Played) -> None:
    if platform.cloud == "gke":  # where nodes get no newer image than their control plane has
        platform.cluster.version = "1.30.5-gke.200"
    before = await provider.observe(cluster)
    image = IMAGES_ONLY[platform.cloud]
    offered = await provider.node_images(cluster, before.region)
    assert offered is not None
    assert image in [str(found) for found in offered]
    handle = await provider.start(cluster, Operation(node_images=(image,)), "key-1")
    assert (await finished(provider, cluster, platform, handle)).state == "Succeeded"
    after = await provider.observe(cluster)
    assert after.control_plane_version == before.control_plane_version
    assert [pool.node_image for pool in after.node_pools] == [image, image]
    assert len(platform.operations) == 2


async def test_pools_that_are_there_are_passed_over(provider: Provider, cluster: Member, platform: Played) -> None:
    platform.cluster.version = str(platform.target.control_plane_version)
    platform.cluster.pools[0].version = str(platform.target.node_version)
    handle = await provider.start(cluster, platform.target, "key-1")
    progress = await finished(provider, cluster, platform, handle)
    assert (progress.state, progress.nodes_done, progress.nodes_total) == ("Succeeded", 2, 2)
    assert [found.pool for found in platform.operations] == ["user"]


async def test_a_step_that_was_begun_before_a_crash_is_taken_up(
    provider: Provider, cluster: Member, platform: Played
) -> None:
    """The process dies at each moment between two writes: what is known is the handle of the step before."""
    handle = await provider.start(cluster, platform.target, "key-1")
    for _ in range(6):
        platform.clock.advance(200)
        await provider.poll(cluster, handle)
        another, closing = platform.provider()
        found = await another.poll(cluster, handle)
        await closing.close()
        handle = found.handle or handle
    assert found.state == "Succeeded"
    assert [operation.pool for operation in platform.operations] == ["", "system", "user"]


async def test_when_nobody_polls_nothing_more_is_begun(provider: Provider, cluster: Member, platform: Played) -> None:
    handle = await provider.start(cluster, platform.target, "key-1")
    assert not await provider.abort(cluster, handle)
    platform.clock.advance(24 * 3600)
    await provider.observe(cluster)
    assert len(platform.operations) == 1


async def test_an_operation_of_somebody_else_is_in_the_way(
    provider: Provider, cluster: Member, platform: Played
) -> None:
    platform.disturb(600)
    if platform.cloud != "eks":  # where it is an update of no kind that the cluster's state shows
        assert (await provider.observe(cluster)).busy
    with pytest.raises(ProviderError) as caught:
        await provider.start(cluster, platform.target, "key-1")
    assert (caught.value.code, caught.value.retryable) == (Code.CONFLICT, True)
    platform.clock.advance(700)
    await provider.start(cluster, platform.target, "key-1")
    assert len(platform.operations) == 1


# -- faults -------------------------------------------------------------------------------------


async def test_throttling_says_when_to_come_back(provider: Provider, cluster: Member, platform: Played) -> None:
    platform.faults(throttle=1, retry_after=42)
    with pytest.raises(ProviderError) as caught:
        await provider.observe(cluster)
    assert (caught.value.code, caught.value.retryable, caught.value.retry_after) == (Code.THROTTLED, True, 42)
    assert (await provider.observe(cluster)).control_plane_version  # one request was made, and no other by the SDK


REFUSALS = {
    ("quota", "aks"): "ErrCode_InsufficientVCPUQuota: The operation needs 8 cores",
    ("quota", "eks"): "ResourceLimitExceededException: The operation needs 8 cores",
    ("quota", "gke"): "PERMISSION_DENIED: The operation needs 8 cores",
    ("denied", "aks"): "AuthorizationFailed: The caller does not have the right",
    ("denied", "eks"): "AccessDeniedException: The caller does not have the right",
    ("denied", "gke"): "PERMISSION_DENIED: The caller does not have the right",
}


@pytest.mark.parametrize(("fault", "code", "retryable"), [("quota", Code.QUOTA, False), ("denied", Code.AUTH, True)])
async def test_a_start_is_refused(
    provider: Provider, cluster: Member, platform: Played, fault: str, code: Code, retryable: bool
) -> None:
    platform.faults(**{fault: True})
    with pytest.raises(ProviderError) as caught:
        await provider.start(cluster, platform.target, "key-1")
    assert (caught.value.code, caught.value.retryable) == (code, retryable)
    assert caught.value.message.startswith(f"{cluster.cluster_resource_id}: ")
    assert REFUSALS[fault, platform.cloud] in caught.value.message
    assert platform.operations == []


async def test_a_pod_that_cannot_be_evicted_fails_the_upgrade(
    provider: Provider, cluster: Member, platform: Played
) -> None:
    platform.faults(drain=True)
    handle = await provider.start(cluster, platform.target, "key-1")
    progress = await finished(provider, cluster, platform, handle)
    assert (progress.state, progress.code) == ("Failed", Code.PDB_BLOCKED)
    assert "disruption budget" in progress.message
    assert [found.state for found in platform.operations] == ["Succeeded", "Failed"]
    platform.faults()
    handle = await provider.start(cluster, platform.target, "key-2")  # another attempt goes on where this one ended
    assert (await finished(provider, cluster, platform, handle)).state == "Succeeded"
    assert [found.pool for found in platform.operations] == ["", "system", "system", "user"]


async def test_an_operation_that_hangs_is_still_running(provider: Provider, cluster: Member, platform: Played) -> None:
    platform.faults(wedge=True)
    handle = await provider.start(cluster, platform.target, "key-1")
    platform.clock.advance(24 * 3600)
    first = await provider.poll(cluster, handle)
    assert first.state == "Running"
    assert await provider.poll(cluster, handle) == first  # without progress, which the controller sees
    platform.faults()
    assert (await finished(provider, cluster, platform, handle)).state == "Succeeded"


async def test_a_slow_cloud_takes_longer(provider: Provider, cluster: Member, platform: Played) -> None:
    platform.faults(slow=10)
    handle = await provider.start(cluster, platform.target, "key-1")
    platform.clock.advance(2999)
    assert not (await provider.poll(cluster, handle)).handle
    platform.clock.advance(1)
    assert (await provider.poll(cluster, handle)).handle


async def test_a_version_that_is_not_supported(provider: Provider, cluster: Member, platform: Played) -> None:
    platform.server.clouds.versions[platform.cloud] = ()  # type: ignore[index]
    too_far = {"aks": "1.32.0", "eks": "1.32", "gke": "1.32.1-gke.50"}[platform.cloud]
    with pytest.raises(ProviderError) as caught:
        await provider.start(cluster, Operation(control_plane_version=too_far), "key-1")
    assert (caught.value.code, caught.value.retryable) == (Code.INVALID_VERSION, False)


async def test_a_cluster_that_is_not_there(provider: Provider, cluster: Member, platform: Played) -> None:
    platform.server.clouds.remove(platform.cluster.id)
    with pytest.raises(ProviderError) as caught:
        await provider.observe(cluster)
    assert (caught.value.code, caught.value.retryable) == (Code.NOT_FOUND, False)


async def test_an_id_that_is_none(provider: Provider, platform: Played) -> None:
    ids = {"aks": "/subscriptions/x", "eks": "eks://one", "gke": "gke://one"}
    with pytest.raises(ProviderError, match=r"is not the id of an? (AKS|EKS|GKE) cluster; want"):
        await provider.observe(Member(name="one", cluster_resource_id=ids[platform.cloud]))


async def test_an_sdk_that_is_not_installed(platform: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    extra, modules = {
        "aks": ("azure", ("azure.core.exceptions", "azure.mgmt.containerservice.aio", "azure.core.pipeline.policies")),
        "eks": ("aws", ("boto3", "botocore.exceptions")),
        "gke": ("gcp", ("google.cloud.container_v1", "google.api_core.exceptions")),
    }[platform.cloud]
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)  # type: ignore[arg-type]
    provider, _ = platform.provider()
    with pytest.raises(ProviderError, match=rf"install it with pip install 'echelon\[{extra}\]'") as caught:
        await provider.observe(platform.member)
    assert caught.value.code is Code.UNSUPPORTED
    assert caught.value.retryable


async def test_credentials_go_by_tls_only(platform: Played) -> None:
    field = {"aks": "azure", "eks": "aws", "gke": "google"}[platform.cloud]
    kind = type(getattr(platform.settings, field))
    provider, _ = platform.provider(**{field: kind(endpoint="http://10.0.0.1:80")})
    with pytest.raises(ProviderError, match=r"http://10\.0\.0\.1:80' is neither https://… nor http://127\.0\.0\.1"):
        await provider.observe(platform.member)


# -- what the platform shows wrong --------------------------------------------------------------


async def test_a_step_without_effect_is_begun_once_more_and_then_fails(
    provider: Provider, cluster: Member, platform: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform.server.clouds, "_apply", lambda *_: None)
    handle = await provider.start(cluster, platform.target, "key-1")
    progress = await finished(provider, cluster, platform, handle)
    assert progress.state == "Failed"
    assert "says twice that the control plane was upgraded, and does not show it at" in progress.message
    assert len(platform.operations) == 2


# -- of one cloud alone -------------------------------------------------------------------------


@pytest.fixture
async def aks() -> AsyncIterator[tuple[Played, Provider]]:
    async with playing("aks") as played:
        provider, platform = played.provider()
        yield played, provider
        await platform.close()


@pytest.fixture
async def eks() -> AsyncIterator[tuple[Played, Provider]]:
    async with playing("eks") as played:
        provider, platform = played.provider()
        yield played, provider
        await platform.close()


@pytest.fixture
async def gke() -> AsyncIterator[tuple[Played, Provider]]:
    async with playing("gke") as played:
        provider, platform = played.provider()
        yield played, provider
        await platform.close()


async def test_aks_clusters_can_be_stopped(aks: tuple[Played, Provider]) -> None:
    aks[0].cluster.running = False
    assert not (await aks[1].observe(aks[0].member)).running


SATURDAYS: dict[str, Any] = {
    "schedule": {"weekly": {"intervalWeeks": 1, "dayOfWeek": "Saturday"}},
    "durationHours": 4,
    "utcOffset": "+01:00",
    "startTime": "01:00",
}


async def test_aks_maintenance_windows_are_kept(aks: tuple[Played, Provider]) -> None:
    played, provider = aks
    played.cluster.maintenance = {"aksManagedAutoUpgradeSchedule": SATURDAYS}
    (finding,) = await provider.preflight(played.member, played.target)
    assert (finding.severity, finding.code) == ("Error", Code.WINDOW_CLOSED)
    assert finding.not_before == BEGIN.replace(hour=0) + timedelta(days=5)
    assert finding.message == (
        "The maintenance configuration aksManagedAutoUpgradeSchedule opens at 2026-03-07 00:00:00 UTC"
    )
    assert await provider.preflight(played.member, Operation(node_images=("x-1",))) == ()  # another schedule is for it
    played.clock.advance((finding.not_before - BEGIN).total_seconds())
    assert await provider.preflight(played.member, played.target) == ()


async def test_platform_windows_may_be_left_alone(aks: tuple[Played, Provider]) -> None:
    aks[0].cluster.maintenance = {"aksManagedAutoUpgradeSchedule": SATURDAYS}
    provider, platform = aks[0].provider(platform_windows=False)
    assert await provider.preflight(aks[0].member, aks[0].target) == ()
    await platform.close()


async def test_eks_insights_are_heard(eks: tuple[Played, Provider]) -> None:
    played, provider = eks
    played.cluster.insights = [
        {"name": "Deprecated APIs", "insightStatus": {"status": "ERROR", "reason": "v1beta1 is used"}},
        {"name": "Kubelet skew", "insightStatus": {"status": "WARNING", "reason": "soon too old"}},
        {"name": "Add-ons", "insightStatus": {"status": "PASSING"}},
    ]
    found = await provider.preflight(played.member, played.target)
    assert [(f.severity, f.code, f.message) for f in found] == [
        ("Error", Code.DEPRECATED_API, "Deprecated APIs: v1beta1 is used"),
        ("Warning", Code.DEPRECATED_API, "Kubelet skew: soon too old"),
    ]
    assert await provider.preflight(played.member, Operation(node_version="1.30")) == ()


async def test_gke_maintenance_windows_and_exclusions_are_kept(gke: tuple[Played, Provider]) -> None:
    played, provider = gke
    window = {"startTime": "2026-01-03T22:00:00Z", "endTime": "2026-01-04T02:00:00Z"}
    played.cluster.maintenance = {
        "recurringWindow": {"window": window, "recurrence": "FREQ=WEEKLY;BYDAY=SA"},
        "maintenanceExclusions": {
            "freeze": {
                "startTime": "2026-03-01T00:00:00Z",
                "endTime": "2026-03-07T23:00:00Z",
                "maintenanceExclusionOptions": {"scope": "NO_MINOR_UPGRADES"},
            }
        },
    }
    freeze, closed = await provider.preflight(played.member, played.target)
    assert freeze.message == "The maintenance exclusion freeze holds until 2026-03-07 23:00:00 UTC"
    assert closed.message == "The cluster's maintenance window opens at 2026-03-07 22:00:00 UTC"
    patch = Operation(control_plane_version="1.30.5-gke.200")
    assert [f.code for f in await provider.preflight(played.member, patch)] == [Code.WINDOW_CLOSED]  # of the window
    played.clock.advance((5 * 24 + 13.5) * 3600)  # Saturday, half past ten at night
    assert [f.message for f in await provider.preflight(played.member, played.target)] == [freeze.message]
    played.clock.advance(3600)
    assert await provider.preflight(played.member, played.target) == []


async def test_gke_tells_of_nodes_within_a_pool(gke: tuple[Played, Provider]) -> None:
    played, provider = gke
    played.cluster.version = "1.30.5-gke.200"
    handle = await provider.start(played.member, Operation(node_version="1.30.5-gke.200"), "key-2")
    seen = []
    while not (progress := await provider.poll(played.member, handle)).ended:
        handle = progress.handle or handle
        seen.append(progress.nodes_done)
        played.clock.advance(30)
    assert seen == sorted(seen)
    assert set(seen) == {0, 1, 2}


async def test_gke_rules_that_are_not_understood_are_told(gke: tuple[Played, Provider]) -> None:
    window = {"startTime": "2026-01-03T22:00:00Z", "endTime": "2026-01-04T02:00:00Z"}
    gke[0].cluster.maintenance = {"recurringWindow": {"window": window, "recurrence": "FREQ=YEARLY"}}
    (finding,) = await gke[1].preflight(gke[0].member, gke[0].target)
    assert finding.severity == "Warning"
    assert finding.message == "The cluster's maintenance window is not kept: it has the recurrence 'FREQ=YEARLY'"


async def test_progress_of_a_step_is_the_same_while_nothing_changes(aks: tuple[Played, Provider]) -> None:
    handle = await aks[1].start(aks[0].member, aks[0].target, "key-1")
    assert await aks[1].poll(aks[0].member, handle) == Progress(
        state="Running", message="Upgrading the control plane", nodes_total=3
    )
