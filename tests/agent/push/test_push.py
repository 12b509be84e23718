"""Members to which the hub pushes: an agent runs in the hub as long as it has a kubeconfig that it uses."""

from __future__ import annotations

import pytest

from echelon.api import names

from ..crashes import Deaths, surviving
from ..member import config_map
from .conftest import MEMBER, NAMESPACE, Pushing

WORK = "placement.kubernetes-fleet.io/Work"


async def place(pushing: Pushing, value: str = "one") -> None:
    await pushing.hub.create(
        {
            "apiVersion": "placement.kubernetes-fleet.io/v1beta1",
            "kind": "Work",
            "metadata": {"name": "web", "namespace": NAMESPACE, "finalizers": [names.WORK_CLEANUP]},
            "spec": {"workload": {"manifests": [config_map("a", value)]}},
        }
    )


async def test_a_pushed_member_joins_and_gets_what_is_placed_on_it(pushing: Pushing):
    await pushing.declare()
    await pushing.keep()
    await pushing.joined()
    await place(pushing)
    await pushing.until(lambda: pushing.member.find("ConfigMap", "a", "app"))
    assert [server for server, _ in pushing.connected] == ["https://one.example.com"]


async def test_a_member_that_is_not_to_be_pushed_to_gets_no_agent(pushing: Pushing):
    await pushing.declare("pull")
    await pushing.keep()
    await pushing.pass_time(60)
    assert pushing.connected == []


async def test_without_a_kubeconfig_the_member_says_so(pushing: Pushing):
    await pushing.declare()
    await pushing.until(
        lambda: pushing.shows("Healthy", "False", f"the Secret {NAMESPACE}/member-kubeconfig is not there")
    )
    assert pushing.shows("Joined", "Unknown")
    await pushing.keep()
    await pushing.joined()
    assert pushing.shows("Healthy", "True")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "{current-context: c, contexts: [{name: c, context: {cluster: c, user: c}}], clusters: [{name: c, cluster: "
            "{server: 'https://x'}}], users: [{name: c, user: {exec: {command: touch, args: [/tmp/pwned]}}}]}",
            "exec is refused, as no program is run for it",
        ),
        ("no mapping", "is not a mapping"),
        ("", "has no kubeconfig under 'kubeconfig'"),
    ],
)
async def test_a_kubeconfig_that_is_not_used_is_named(pushing: Pushing, text: str, why: str):
    await pushing.declare()
    await pushing.keep_text(text)
    await pushing.until(lambda: pushing.shows("Healthy", "False", why), describe=lambda: pushing.condition("Healthy"))
    assert pushing.connected == []


async def test_another_token_is_taken_without_a_break(pushing: Pushing):
    await pushing.declare()
    await pushing.keep()
    await pushing.joined()
    await pushing.keep(token="another")
    await pushing.pass_time(5)
    ((_, connection),) = pushing.connected
    assert (await connection.credentials.identity()).authorization == "Bearer another"


async def test_another_server_gets_another_agent(pushing: Pushing):
    await pushing.declare()
    await pushing.keep()
    await pushing.joined()
    await pushing.keep(server="https://two.example.com")
    await pushing.until(lambda: len(pushing.connected) == 2)
    await place(pushing)
    await pushing.until(lambda: pushing.member.find("ConfigMap", "a", "app"))


async def test_a_kubeconfig_that_goes_ends_the_agent(pushing: Pushing):
    await pushing.declare()
    await pushing.keep()
    await pushing.joined()
    await pushing.forget()
    await pushing.until(lambda: pushing.shows("Healthy", "False", "is not there"))
    await place(pushing)
    await pushing.pass_time(60)
    assert pushing.member.find("ConfigMap", "a", "app") is None


async def test_a_member_that_gets_an_agent_of_its_own_is_left_to_it(pushing: Pushing):
    await pushing.declare()
    await pushing.keep()
    await pushing.joined()
    await pushing.hub.edit("MemberCluster", MEMBER, {"metadata": {"annotations": {names.CONNECTION: None}}})
    await pushing.pass_time(1)
    await place(pushing)
    await pushing.pass_time(60)
    assert pushing.member.find("ConfigMap", "a", "app") is None


async def test_a_pushed_member_leaves(pushing: Pushing):
    await pushing.declare()
    await pushing.keep()
    await pushing.joined()
    await place(pushing)
    await pushing.until(lambda: pushing.member.find("ConfigMap", "a", "app"))
    await pushing.hub.delete("MemberCluster", MEMBER)
    await pushing.until(lambda: pushing.hub.find("MemberCluster", MEMBER) is None, within=30)
    assert pushing.member.find("ConfigMap", "a", "app") is not None


async def test_a_member_that_cannot_be_got_into_leaves_without_waiting(pushing: Pushing):
    await pushing.declare()
    await pushing.keep()
    await pushing.joined()
    await pushing.forget()
    await pushing.until(lambda: pushing.shows("Healthy", "False"))
    await pushing.hub.delete("MemberCluster", MEMBER)
    await pushing.until(lambda: pushing.hub.find("MemberCluster", MEMBER) is None, within=30)


async def test_the_hub_is_killed_at_each_write(pushing: Pushing):
    await pushing.stop()
    for at in range(60):  # at 0 nothing happens
        deaths = Deaths(at)
        async with surviving(pushing.start, deaths):
            await pushing.declare()
            await pushing.keep()
            await pushing.joined()
            await place(pushing)
            await pushing.until(lambda: pushing.member.find("ConfigMap", "a", "app"))
            await pushing.hub.delete(WORK, "web", NAMESPACE)
            await pushing.until(lambda: pushing.member.find("ConfigMap", "a", "app") is None)
            await pushing.until(lambda: pushing.hub.find(WORK, "web", NAMESPACE) is None)
            await pushing.hub.delete("MemberCluster", MEMBER)
            await pushing.until(lambda: pushing.hub.find("MemberCluster", MEMBER) is None, within=400)
        await pushing.stop()
        if at and not deaths.killed:
            break
    assert not deaths.killed
    assert at > 10
