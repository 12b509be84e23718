"""What every provider must do, whatever its platform: a suite to be run against each.

A subclass gives the fixtures ``provider``, ``cluster`` (in a state in which ``TARGET`` is an upgrade of
its control plane) and ``platform``, by which the test stands in for the platform.
"""

from __future__ import annotations

from typing import Protocol

import pytest

from echelon.upgrade.providers.contract import Member, Operation, Progress, Provider, ProviderError


class Platform(Protocol):
    """What a test has the platform do. ``queues``: what is started may wait until the platform begins."""

    target: Operation
    queues: bool

    async def started(self) -> int:
        """How many operations were ever started."""

    async def carry_on(self) -> None:
        """Let whatever was started come to its end."""

    async def fail(self) -> None:
        """Let whatever was started fail."""

    async def hold_back(self) -> None:
        """Begin no operation from now on."""

    async def cut_off(self) -> None:
        """Let nobody reach the platform."""


async def finished(provider: Provider, cluster: Member, platform: Platform, handle: str) -> Progress:
    """Poll, as the controller does, until the operation has ended, letting the platform carry on in between."""
    for _ in range(20):
        await platform.carry_on()
        progress = await provider.poll(cluster, handle)
        if progress.ended:
            return progress
        handle = progress.handle or handle
    raise AssertionError(f"{handle} has not ended: {progress}")


class ProviderContract:
    async def test_observes_the_member(self, provider: Provider, cluster: Member, platform: Platform) -> None:
        seen = await provider.observe(cluster)
        assert seen.control_plane_version
        assert seen.node_pools
        assert all(pool.count and pool.kubernetes_version for pool in seen.node_pools)
        assert seen.running
        assert not seen.busy

    async def test_offers_what_can_be_gone_to(self, provider: Provider, cluster: Member, platform: Platform) -> None:
        region = (await provider.observe(cluster)).region
        versions = await provider.versions(cluster, region)
        assert versions is None or platform.target.control_plane_version in [str(v.version) for v in versions]
        images = await provider.node_images(cluster, region)
        assert images is None or images

    async def test_has_nothing_against_a_good_target(
        self, provider: Provider, cluster: Member, platform: Platform
    ) -> None:
        assert [f for f in await provider.preflight(cluster, platform.target) if f.severity == "Error"] == []

    async def test_upgrades(self, provider: Provider, cluster: Member, platform: Platform) -> None:
        handle = await provider.start(cluster, platform.target, "key-1")
        assert not (await provider.poll(cluster, handle)).ended
        assert (await provider.observe(cluster)).busy
        progress = await finished(provider, cluster, platform, handle)
        assert progress.state == "Succeeded"
        assert progress.nodes_done == progress.nodes_total
        seen = await provider.observe(cluster)
        assert seen.control_plane_version == platform.target.control_plane_version
        assert {pool.kubernetes_version for pool in seen.node_pools} == {platform.target.node_version}
        assert not seen.busy

    async def test_upgrades_the_control_plane_alone(
        self, provider: Provider, cluster: Member, platform: Platform
    ) -> None:
        before = await provider.observe(cluster)
        operation = Operation(control_plane_version=platform.target.control_plane_version)
        handle = await provider.start(cluster, operation, "key-1")
        assert (await finished(provider, cluster, platform, handle)).state == "Succeeded"
        seen = await provider.observe(cluster)
        assert seen.control_plane_version == platform.target.control_plane_version
        assert seen.node_pools == before.node_pools

    async def test_goes_on_from_a_handle_in_another_process(
        self, provider: Provider, cluster: Member, platform: Platform
    ) -> None:
        """Nothing is kept in the provider: what another one was told is enough."""
        handle = await provider.start(cluster, platform.target, "key-1")
        await platform.carry_on()
        before = await platform.started()
        first = await provider.poll(cluster, handle)
        again = await provider.poll(cluster, handle)  # the crash came before the new handle was kept
        assert again.state == first.state
        after = await platform.started()
        assert after - before <= 1
        assert (await finished(provider, cluster, platform, again.handle or handle)).state == "Succeeded"

    async def test_starts_once_for_a_key(self, provider: Provider, cluster: Member, platform: Platform) -> None:
        first = await provider.start(cluster, platform.target, "key-1")
        assert await provider.start(cluster, platform.target, "key-1") == first
        assert await platform.started() == 1
        assert (await finished(provider, cluster, platform, first)).state == "Succeeded"
        started = await platform.started()
        again = await provider.start(cluster, platform.target, "key-1")
        assert (await provider.poll(cluster, again)).state == "Succeeded"
        assert await platform.started() == started

    async def test_another_key_is_another_operation(
        self, provider: Provider, cluster: Member, platform: Platform
    ) -> None:
        first = await provider.start(cluster, platform.target, "key-1")
        await finished(provider, cluster, platform, first)
        second = await provider.start(cluster, platform.target, "key-2")
        assert second != first
        assert (await finished(provider, cluster, platform, second)).state == "Succeeded"

    async def test_there_may_be_nothing_to_do(self, provider: Provider, cluster: Member, platform: Platform) -> None:
        handle = await provider.start(cluster, Operation(), "key-1")
        await platform.carry_on()
        assert (await provider.poll(cluster, handle)).state == "Succeeded"

    async def test_watches_to_the_end(self, provider: Provider, cluster: Member, platform: Platform) -> None:
        if not provider.watches:
            pytest.skip("this platform cannot be watched")
        handle = await provider.start(cluster, platform.target, "key-1")
        seen: list[Progress] = []
        async for progress in provider.watch(cluster, handle):
            seen.append(progress)
            if len(seen) == 1 or progress.handle:
                await platform.carry_on()
        assert len(seen) > 1
        assert seen[-1].state == "Succeeded"
        assert not any(progress.ended for progress in seen[:-1])

    async def test_watches_what_has_ended(self, provider: Provider, cluster: Member, platform: Platform) -> None:
        if not provider.watches:
            pytest.skip("this platform cannot be watched")
        handle = await provider.start(cluster, platform.target, "key-1")
        await finished(provider, cluster, platform, handle)
        states = [progress.state async for progress in provider.watch(cluster, handle)]
        assert states[-1] == "Succeeded"
        again = await provider.start(cluster, platform.target, "key-1")
        assert [progress.state async for progress in provider.watch(cluster, again)] == ["Succeeded"]

    async def test_tells_failure(self, provider: Provider, cluster: Member, platform: Platform) -> None:
        handle = await provider.start(cluster, platform.target, "key-1")
        await platform.fail()
        progress = await provider.poll(cluster, handle)
        assert progress.state == "Failed"
        assert progress.code
        assert progress.message

    async def test_calls_off_what_has_not_begun(self, provider: Provider, cluster: Member, platform: Platform) -> None:
        if not platform.queues:
            pytest.skip("this platform begins at once")
        await platform.hold_back()
        handle = await provider.start(cluster, platform.target, "key-1")
        assert await provider.abort(cluster, handle)
        assert await provider.abort(cluster, handle)  # again: it stays called off
        await platform.carry_on()
        assert (await provider.poll(cluster, handle)).state == "Aborted"
        before = await provider.observe(cluster)
        assert before.control_plane_version != platform.target.control_plane_version

    async def test_does_not_call_off_what_has_begun(
        self, provider: Provider, cluster: Member, platform: Platform
    ) -> None:
        handle = await provider.start(cluster, platform.target, "key-1")
        await platform.carry_on()
        assert not await provider.abort(cluster, handle)
        assert (await finished(provider, cluster, platform, handle)).state == "Succeeded"

    async def test_does_not_know_other_handles(self, provider: Provider, cluster: Member, platform: Platform) -> None:
        with pytest.raises(ProviderError):
            await provider.poll(cluster, "nothing-of-this-name")

    async def test_a_platform_that_cannot_be_reached_may_be_later(
        self, provider: Provider, cluster: Member, platform: Platform
    ) -> None:
        await platform.cut_off()
        with pytest.raises(ProviderError) as caught:
            await provider.observe(cluster)
        assert caught.value.retryable
        with pytest.raises(ProviderError):
            await provider.start(cluster, platform.target, "key-1")
