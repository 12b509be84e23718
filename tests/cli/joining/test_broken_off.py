"""A join that breaks off at any write is finished by the next one; one that is repeated changes but the token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import looptime
import pytest

from echelon import membership
from echelon.agent import installation
from echelon.api import names
from echelon.cli.errors import Failed
from echelon.cli.joining import joining
from echelon.cli.joining.ends import End, Side
from echelon.cli.joining.joining import Membership
from echelon.kube.kubeconfig import Connection
from echelon.kube.manager import Manager
from echelon.kube.rest import BeforeWrite

from ...agent.clusters import Cluster, Clusters, LoopClock, Stored, fleet_definitions
from ...agent.crashes import Deaths, Killed

Ends = tuple[Cluster, Cluster]
IDS = {"hub": "hub-id", "member": "member-id"}


@pytest.fixture(scope="module")
def definitions() -> Stored:
    return fleet_definitions()


@pytest.fixture
async def virtual_time() -> AsyncIterator[None]:
    with looptime.enabled(strict=True):
        yield


@pytest.fixture
async def clusters(virtual_time: None, definitions: Stored) -> AsyncIterator[Ends]:
    """A hub whose controllers run, and a cluster."""
    both = Clusters(definitions)
    async with both.start("hub") as hub, both.start("member") as member:
        manager = Manager(hub.client("controllers"))
        membership.add_controllers(manager, LoopClock())
        running = asyncio.create_task(manager.run())
        yield hub, member
        manager.stop()
        await asyncio.wait([running])


def end(side: Side, cluster: Cluster, before_write: BeforeWrite | None = None) -> End:
    client = cluster.client("admin", field_manager="echelon-cli", before_write=before_write)
    return End(side, side, Connection(f"https://{side}.example.com", authority=b"PEM"), client, IDS[side])


def wanted(push: bool = False) -> Membership:
    return Membership(
        name="one",
        hub_url="https://hub.example.com",
        member_url="https://member.example.com",
        image="image:1",
        labels={"a": "b"},
        push=push,
    )


async def join(clusters: Ends, *, push: bool = False, before_write: BeforeWrite | None = None) -> None:
    hub, member = end("hub", clusters[0], before_write), end("member", clusters[1], before_write)
    await joining.join(hub, member, wanted(push), lambda _: None)


def state(clusters: Ends) -> dict[str, Any]:
    """What a join leaves behind, tokens aside."""
    hub, member = clusters
    found: dict[str, Any] = {}
    for obj in (*installation.foundation(installation.Belonging("one", "", ""), ""), *installation.removal()):
        metadata = obj["metadata"]
        there = member.find(obj["kind"], metadata["name"], metadata.get("namespace", ""))
        kept = there and {key: value for key, value in there.items() if key in ("spec", "rules", "roleRef", "subjects")}
        found[f"{obj['kind']} {metadata['name']}"] = kept
    secret = member.find("Secret", names.AGENT_SECRET, names.SYSTEM_NAMESPACE)
    found["keys"] = secret and sorted(secret["data"])
    found["kubeconfig"] = hub.find("Secret", names.MEMBER_KUBECONFIG, "fleet-member-one") is not None
    joined = hub.get("MemberCluster", "one")
    found["member"] = joined["spec"], joined["metadata"]["labels"], joined["metadata"]["annotations"]
    found["account"] = hub.find("ServiceAccount", names.AGENT_ACCOUNT, "fleet-member-one") is not None
    return found


async def reset(clusters: Ends) -> None:
    hub, member = clusters
    await hub.delete("MemberCluster", "one")
    for obj in installation.removal():
        await joining.delete(end("member", member), obj)
    async with asyncio.timeout(60):
        while hub.find("MemberCluster", "one") is not None:  # noqa: ASYNC110  # in virtual time
            await asyncio.sleep(1)


@pytest.mark.parametrize("push", [False, True], ids=["pull", "push"])
async def test_a_join_that_breaks_off_is_finished_by_the_next(clusters: Ends, push: bool) -> None:
    await join(clusters, push=push)
    whole = state(clusters)
    assert whole["account"]
    assert whole["kubeconfig"] == push
    assert (whole["Deployment fleet-agent"] is None) == push
    for at in range(1, 40):
        await reset(clusters)
        deaths = Deaths(at)
        try:
            await join(clusters, push=push, before_write=deaths.before_write)
        except Killed:
            await join(clusters, push=push)
        assert state(clusters) == whole, at
        if not deaths.killed:
            break
    assert not deaths.killed
    assert at > 10


async def test_done_again_it_changes_the_token_only(clusters: Ends) -> None:
    await join(clusters)
    whole = state(clusters)
    await join(clusters)
    assert state(clusters) == whole


async def test_a_member_may_change_from_pulling_to_pushing_and_back(clusters: Ends) -> None:
    await join(clusters)
    pulled = state(clusters)
    await join(clusters, push=True)
    pushed = state(clusters)
    assert pushed["kubeconfig"]
    assert pushed["Deployment fleet-agent"] is None
    assert pushed["keys"] is None
    await join(clusters)
    assert state(clusters) == pulled


async def test_a_hub_whose_controllers_do_not_run_is_named(
    virtual_time: None, definitions: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "HUB_PATIENCE", 0.2)
    both = Clusters(definitions)
    async with both.start("hub") as hub, both.start("member") as member:
        with pytest.raises(Failed, match=r"has not taken the member up within .* s: do the hub's controllers run"):
            await joining.join(end("hub", hub), end("member", member), wanted(), lambda _: None)
