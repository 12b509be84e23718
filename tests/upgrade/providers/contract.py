"""What every provider must do, whatever its platform: a suite to be run against each.

A subclass gives the fixtures ``provider``, ``cluster`` (in a state in which ``TARGET`` is an upgrade of
its control plane) and ``platform``, by which the test stands in for the platform.
"""

from __future__ import annotations

from typing import Protocol

import pytest

from echelon.upgrade.providers.contract import Member, Operation, Progress, Provider, ProviderError


class Platform(Protocol):
    """What a test has the platform do."""

    target: Operation

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
        await platform.carry_on()
        assert (await provider.poll(cluster, handle)).state == "Succeeded"
        seen = await provider.observe(cluster)
        assert seen.control_plane_version == platform.target.control_plane_version
        assert not seen.busy

    async def test_starts_once_for_a_key(self, provider: Provider, cluster: Member, platform: Platform) -> None:
        first = await provider.start(cluster, platform.target, "key-1")
        assert await provider.start(cluster, platform.target, "key-1") == first
        await platform.carry_on()
        assert await provider.start(cluster, platform.target, "key-1") == first
        assert (await provider.poll(cluster, first)).state == "Succeeded"
        assert await platform.started() == 1

    async def test_another_key_is_another_operation(
        self, provider: Provider, cluster: Member, platform: Platform
    ) -> None:
        first = await provider.start(cluster, platform.target, "key-1")
        await platform.carry_on()
        assert await provider.start(cluster, platform.target, "key-2") != first
        assert await platform.started() == 2

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
            if len(seen) == 1:
                await platform.carry_on()
        assert len(seen) > 1
        assert seen[-1].state == "Succeeded"
        assert not any(progress.ended for progress in seen[:-1])

    async def test_watches_what_has_ended(self, provider: Provider, cluster: Member, platform: Platform) -> None:
        if not provider.watches:
            pytest.skip("this platform cannot be watched")
        handle = await provider.start(cluster, platform.target, "key-1")
        await platform.carry_on()
        assert [progress.state async for progress in provider.watch(cluster, handle)] == ["Succeeded"]

    async def test_tells_failure(self, provider: Provider, cluster: Member, platform: Platform) -> None:
        handle = await provider.start(cluster, platform.target, "key-1")
        await platform.fail()
        progress = await provider.poll(cluster, handle)
        assert progress.state == "Failed"
        assert progress.code
        assert progress.message

    async def test_calls_off_what_has_not_begun(self, provider: Provider, cluster: Member, platform: Platform) -> None:
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
        assert (await provider.poll(cluster, handle)).state == "Succeeded"

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
