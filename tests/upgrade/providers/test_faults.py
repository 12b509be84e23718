"""What becomes of an upgrade when its platform fails, hangs, is busy, cannot be reached, or cannot be watched."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import ClassVar

from msgspec.structs import replace

from echelon.api.fleet import ErrorDetail
from echelon.kube.backoff import Backoff
from echelon.upgrade.providers import ProviderSettings
from echelon.upgrade.providers.contract import Code, Finding, Member, Operation, Progress, ProviderError

from .world import SimulatedMember, World, Wrapped


async def test_a_failure_is_told_with_its_code(world: World, member: SimulatedMember) -> None:
    await member.edit(fault="fail:Quota")
    await world.upgrade()
    await world.ended("Failed")
    status = world.status()
    assert status.error is not None
    assert (status.error.code, status.error.message) == ("Quota", "The simulation was told to fail")
    assert await member.version() == "v1.30.0"


async def test_a_failure_half_way_leaves_what_is_done_and_the_next_attempt_goes_on(
    world: World, member: SimulatedMember
) -> None:
    await world.upgrade()
    await world.until(lambda: world.status().nodes_done == 1)
    await member.edit(fault="fail")
    await world.ended("Failed")
    assert world.status().nodes_done == 1
    assert member.cordoned == ["user-0"]
    await member.edit(fault="")
    await world.upgrade(name="run-2", attempt=2)
    await world.until(lambda: world.status(name="run-2").state == "Completed")
    assert member.cordoned == []
    assert member.kubelets == ["v1.30.4"] * 3
    assert member.replacements == ["system-0", "user-0", "user-1"]


async def test_a_platform_that_hangs_is_reported_and_at_last_given_up(
    bare_world: World, member: SimulatedMember
) -> None:
    settings = ProviderSettings(stalled_after=600, give_up_after=3600)
    await member.edit(fault="hang")
    async with bare_world.provided(settings):
        await bare_world.upgrade()
        await bare_world.until(lambda: bare_world.status().message == "Upgrading the control plane")
        began = bare_world.hub.clock.now()
        await bare_world.until(lambda: bare_world.status().error is not None, 1000)
        status = bare_world.status()
        assert status.state == "Running"
        assert status.error is not None
        assert status.error.code == "Timeout"
        assert status.message == "No progress for 0:10:00: Upgrading the control plane"
        await bare_world.ended("Failed", within=5000)
        assert timedelta(minutes=59) < bare_world.hub.clock.now() - began < timedelta(minutes=61)
        assert bare_world.status().message == (
            "No progress for 1:00:00: Upgrading the control plane; the platform may still be at it"
        )


async def test_a_platform_that_hangs_may_go_on(bare_world: World, member: SimulatedMember) -> None:
    await member.edit(fault="hang")
    async with bare_world.provided(ProviderSettings(stalled_after=600)):
        await bare_world.upgrade()
        await bare_world.until(lambda: bare_world.status().error is not None, 1000)
        await member.edit(fault="")
        await bare_world.ended()
        assert bare_world.status().error is None


async def test_a_busy_cluster_is_waited_for(world: World, member: SimulatedMember) -> None:
    await member.edit(fault="busy")
    await world.upgrade()
    await world.until(lambda: world.status().message)
    status = world.status()
    assert (status.state, status.operation_id) == ("Pending", "")
    assert status.error is not None
    assert status.error.code == "OperationInProgress"
    await world.hub.pass_time(3600)
    assert member.operations == []
    await member.edit(fault="")
    await world.ended(within=100)


async def test_a_member_that_cannot_be_reached_is_tried_again(world: World, member: SimulatedMember) -> None:
    world.unreachable.add("member1")
    await world.upgrade()
    await world.until(lambda: world.status().message)
    status = world.status()
    assert status.state == "Pending"
    assert status.message == "the simulated cluster of member member1 is not served here"
    assert status.error is not None
    assert status.error.code == "Network"
    await world.hub.pass_time(100)
    world.unreachable.clear()
    await world.ended()


async def test_an_operation_that_is_deleted_at_the_platform_has_failed(world: World, member: SimulatedMember) -> None:
    from echelon.api.core import ConfigMap

    await world.upgrade()
    await world.until(lambda: world.status().state == "Running" and member.operations)
    await member.admin.delete(ConfigMap, ("kube-system", member.operations[0]))
    await world.ended("Failed")
    assert world.status().message.endswith("was deleted")


class Polled(Wrapped):
    """A platform that cannot be watched."""

    watches = False
    polls = 0

    async def poll(self, member: Member, handle: str) -> Progress:
        Polled.polls += 1
        return await self.inner.poll(member, handle)

    def watch(self, member: Member, handle: str) -> AsyncIterator[Progress]:
        raise AssertionError("this platform cannot be watched")


async def test_a_platform_that_cannot_be_watched_is_asked_less_and_less_often(
    bare_world: World, member: SimulatedMember
) -> None:
    Polled.polls = 0
    await member.edit(controlPlaneSeconds="1000")
    async with bare_world.provided(ProviderSettings(polling=Backoff(first=5, cap=60)), wrap=Polled):
        await bare_world.upgrade("ControlPlaneOnly")
        await bare_world.ended(within=2000)
    # at 0, then 5, 10, 20, 40 s apart, then each minute, and anew when something changes
    assert 15 <= Polled.polls <= 30


async def test_an_operation_in_the_way_is_asked_for_where_nothing_can_be_watched(
    bare_world: World, member: SimulatedMember
) -> None:
    await member.edit(fault="busy")
    async with bare_world.provided(wrap=Polled):
        await bare_world.upgrade("ControlPlaneOnly")
        await bare_world.until(lambda: bare_world.status().message)
        await bare_world.hub.pass_time(20)
        await member.edit(fault="")
        await bare_world.ended()


class Flaky(Wrapped):
    """The first calls of each kind fail."""

    def __init__(self, inner: object) -> None:
        super().__init__(inner)
        self.starts = self.observations = 0

    async def observe(self, member: Member) -> object:
        self.observations += 1
        if self.observations == 1:
            raise ProviderError(Code.NETWORK, "no answer", retryable=True)
        return await self.inner.observe(member)

    async def start(self, member: Member, operation: Operation, key: str) -> str:
        self.starts += 1
        handle = await self.inner.start(member, operation, key)
        if self.starts == 1:
            raise ProviderError(Code.NETWORK, "the answer was lost", retryable=True)
        return handle


async def test_a_start_whose_answer_was_lost_is_no_second_operation(bare_world: World, member: SimulatedMember) -> None:
    async with bare_world.provided(wrap=Flaky):
        await bare_world.upgrade()
        await bare_world.ended()
    assert len(member.operations) == 1
    assert bare_world.status().error is None


class Objecting(Wrapped):
    """A platform whose preflight has something to say."""

    findings: Sequence[Finding] = ()

    async def preflight(self, member: Member, operation: Operation) -> Sequence[Finding]:
        return self.findings


async def test_warnings_of_the_preflight_are_no_obstacle(bare_world: World, member: SimulatedMember) -> None:
    class Warning(Objecting):
        findings = (Finding(severity="Warning", code=Code.DEPRECATED_API, message="v1beta1 is still used"),)

    async with bare_world.provided(wrap=Warning):
        await bare_world.upgrade("ControlPlaneOnly")
        await bare_world.ended()
    assert bare_world.status().message == "Warning: v1beta1 is still used"


async def test_errors_of_the_preflight_end_it(bare_world: World, member: SimulatedMember) -> None:
    class Error(Objecting):
        findings = (Finding(severity="Error", code=Code.DEPRECATED_API, message="v1beta1 is still used"),)

    async with bare_world.provided(wrap=Error):
        await bare_world.upgrade("ControlPlaneOnly")
        await bare_world.ended("Failed")
    assert bare_world.status().message == "v1beta1 is still used"
    assert member.operations == []


async def test_what_passes_at_a_time_is_looked_at_then(bare_world: World, member: SimulatedMember) -> None:
    opening = bare_world.hub.clock.now() + timedelta(hours=3)

    class Closed(Objecting):
        async def preflight(self, cluster: Member, operation: Operation) -> Sequence[Finding]:
            if bare_world.hub.clock.now() >= opening:
                return ()
            message = "the cluster's window is closed"
            return (Finding(severity="Error", code=Code.CONFLICT, message=message, not_before=opening),)

    async with bare_world.provided(wrap=Closed):
        await bare_world.upgrade("ControlPlaneOnly")
        await bare_world.until(lambda: bare_world.status().not_before)
        assert bare_world.status().state == "Pending"
        await bare_world.ended(within=4 * 3600)
        assert bare_world.hub.clock.now() < opening + timedelta(minutes=2)


async def test_a_publication_is_waited_for(bare_world: World, member: SimulatedMember) -> None:
    opening = bare_world.hub.clock.now() + timedelta(hours=2)
    from echelon.api.upgrade import ReleaseCatalog
    from echelon.kube.patches import MergePatch

    versions = [{"version": "1.30.0"}, {"version": "1.30.4", "published": opening.strftime("%Y-%m-%dT%H:%M:%SZ")}]
    await bare_world.hub.admin.patch(ReleaseCatalog, "catalog", MergePatch({"spec": {"kubernetesVersions": versions}}))
    async with bare_world.provided():
        await bare_world.upgrade("ControlPlaneOnly")
        await bare_world.until(lambda: bare_world.status().message)
        assert bare_world.status().state == "Pending"
        await bare_world.ended(within=3 * 3600)
        assert bare_world.hub.clock.now() >= opening


async def test_progress_is_written_once_in_a_while(bare_world: World, member: SimulatedMember) -> None:
    await member.edit(controlPlaneSeconds="0", secondsPerNode="0")
    async with bare_world.provided(ProviderSettings(progress_interval=1.0)):
        before = len(bare_world.hub.writes)
        await bare_world.upgrade()
        await bare_world.ended()
    by_controller = [path for user, _, path in bare_world.hub.writes[before:] if user == "controllers"]
    assert len(by_controller) <= 5  # finalizer, starting, handle, a glimpse of the way, the end


async def test_a_platform_that_says_when_to_come_back_is_left_alone_until_then(
    bare_world: World, member: SimulatedMember
) -> None:
    moments: list[float] = []

    class Throttled(Wrapped):
        async def observe(self, member_: Member) -> object:
            moments.append(bare_world.hub.clock.now().timestamp())
            if len(moments) == 1:
                raise ProviderError(Code.THROTTLED, "too many requests", retryable=True, retry_after=77.0)
            return await self.inner.observe(member_)

    async with bare_world.provided(wrap=Throttled):
        await bare_world.upgrade("ControlPlaneOnly")
        await bare_world.until(lambda: bare_world.status().error is not None)
        assert bare_world.status().error == ErrorDetail(code="Throttled", message="too many requests")
        await bare_world.ended()
    assert moments[1] - moments[0] >= 77.0


async def test_a_handle_that_changes_is_kept(bare_world: World, member: SimulatedMember) -> None:
    """It is written at once, however short ago the last write was; the next life of the process goes on from it."""

    class Renaming(Wrapped):
        watches = False
        polled: ClassVar[list[str]] = []

        async def poll(self, member_: Member, handle: str) -> Progress:
            Renaming.polled.append(handle)
            progress = await self.inner.poll(member_, handle.partition("#")[0])
            return progress if "#" in handle or progress.ended else replace(progress, handle=f"{handle}#2")

    Renaming.polled.clear()
    async with bare_world.provided(ProviderSettings(progress_interval=1e6), wrap=Renaming):
        await bare_world.upgrade("ControlPlaneOnly")
        await bare_world.until(lambda: bare_world.status().operation_id.endswith("#2"))
    async with bare_world.provided(wrap=Renaming):
        await bare_world.ended()
    assert ["#2" in handle for handle in Renaming.polled] == [False] + [True] * (len(Renaming.polled) - 1)


async def test_a_stopped_cluster_is_waited_for_if_so_set(bare_world: World, member: SimulatedMember) -> None:
    await member.edit(running="false")
    async with bare_world.provided(ProviderSettings(stopped_clusters="Wait")):
        await bare_world.upgrade()
        await bare_world.until(lambda: bare_world.status().error is not None)
        assert bare_world.status().error == ErrorDetail(
            code="ClusterStopped", message="Waiting for the cluster, which is stopped, to be started"
        )
        await member.edit(running="true")
        await bare_world.ended()
