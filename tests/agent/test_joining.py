"""The agent joins, reports and leaves (reference 3.12)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from echelon.api.conditions import find_condition
from echelon.api.meta import parse_time

from .clusters import Object
from .member import MEMBER, NAMESPACE, Member, config_map, passes

JOIN = f"agent-{MEMBER}-join"


def node(name: str, cpu: str = "4", memory: str = "8Gi", allocatable: str = "3500m") -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "status": {
            "capacity": {"cpu": cpu, "memory": memory},
            "allocatable": {"cpu": allocatable, "memory": memory},
            "nodeInfo": {"kubeletVersion": "v1.33.1"},
        },
    }


async def add_node(member: Member, name: str, **fields: str) -> None:
    obj = node(name, **fields)
    await member.member.create(obj)
    await member.member.edit("Node", name, {"status": obj["status"]}, subresource="status")


async def add_pod(member: Member, name: str, cpu: str = "500m", on: str = "n1") -> None:
    await member.member.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "app"},
            "spec": {
                "nodeName": on,
                "containers": [
                    {"name": "main", "image": "x", "resources": {"requests": {"cpu": cpu, "memory": "1Gi"}}}
                ],
            },
        }
    )


def reports(member: Member) -> int:
    return len(member.hub.written(path="internalmemberclusters"))


def heartbeat(member: Member) -> str:
    found = member.internal().status.agent_status[0].last_received_heartbeat
    assert found is not None
    return found


# -- joining ------------------------------------------------------------------------------------


async def test_joined_and_healthy(fleet: Member):
    await fleet.started()
    assert fleet.is_agent("Joined", "True", "InternalMemberClusterJoined")
    assert fleet.is_agent("Healthy", "True", "InternalMemberClusterHealthy")
    assert reports(fleet) == 1


async def test_an_agent_that_is_not_wanted_yet_does_nothing(fleet: Member):
    await fleet.work("web", config_map())
    await fleet.start()
    await fleet.pass_time(600)
    assert fleet.hub.written() == fleet.member.written() == []
    await fleet.join()
    await fleet.available()


async def test_an_agent_that_starts_again_reports_when_its_heartbeat_is_due(fleet: Member):
    await fleet.started()
    await fleet.pass_time(20)
    await fleet.stop()
    await fleet.start()
    await fleet.pass_time(30)
    assert reports(fleet) == 1
    await fleet.pass_time(15)
    assert reports(fleet) == 2


async def test_a_member_that_cannot_be_reached_at_the_start(fleet: Member):
    await fleet.work("web", config_map())
    fleet.member.reachable = False
    await fleet.join()
    await fleet.start()
    await fleet.until(lambda: fleet.is_agent("Healthy", "False", "InternalMemberClusterUnhealthy"))
    assert fleet.is_agent("Joined", "Unknown", "InternalMemberClusterFailedToJoin")
    fleet.member.reachable = True
    await fleet.until(lambda: fleet.is_agent("Healthy", "True") and fleet.is_agent("Joined", "True"))
    await fleet.available()


# -- heartbeats ---------------------------------------------------------------------------------


@pytest.mark.parametrize("period", [1, 15, 60, 600])
async def test_one_heartbeat_a_period(fleet: Member, period: int):
    await fleet.join(period=period)
    await fleet.start()
    await fleet.until(lambda: fleet.is_agent("Joined", "True"))
    await fleet.pass_time(period * 20)
    assert 15 <= reports(fleet) <= 23


async def test_heartbeats_come_a_little_early_or_late(fleet: Member):
    await fleet.join(period=100)
    await fleet.start()
    await fleet.until(lambda: fleet.is_agent("Joined", "True"))
    last, gaps = heartbeat(fleet), []
    for _ in range(20):
        await fleet.until(lambda last=last: heartbeat(fleet) != last)
        gaps.append(parse_time(heartbeat(fleet)) - parse_time(last))
        last = heartbeat(fleet)
    assert timedelta(seconds=94) <= min(gaps) < timedelta(seconds=99)
    assert timedelta(seconds=101) < max(gaps) <= timedelta(seconds=106)


async def test_the_period_may_change(fleet: Member):
    await fleet.started()
    await fleet.hub.edit("InternalMemberCluster", MEMBER, {"spec": {"heartbeatPeriodSeconds": 5}}, NAMESPACE)
    await fleet.pass_time(60)
    assert 10 <= reports(fleet) <= 15


async def test_a_member_that_becomes_unhealthy_and_well_again(fleet: Member):
    await fleet.started()
    fleet.member.reachable = False
    await fleet.until(lambda: fleet.is_agent("Healthy", "False", "InternalMemberClusterUnhealthy"))
    assert fleet.is_agent("Joined", "True")
    fleet.member.reachable = True
    await fleet.until(lambda: fleet.is_agent("Healthy", "True"))


async def test_a_hub_that_cannot_be_reached_for_a_while(fleet: Member):
    await fleet.started()
    fleet.hub.reachable = False
    before = passes(JOIN)
    await fleet.pass_time(600)
    assert passes(JOIN) - before < 32  # twice a minute, after a few quick tries
    fleet.hub.reachable = True
    last = heartbeat(fleet)
    await fleet.until(lambda: heartbeat(fleet) != last, within=600)


async def test_what_other_agents_of_the_member_say_stays(fleet: Member):
    await fleet.started()
    other = {"type": "MultiClusterServiceAgent", "conditions": [], "lastReceivedHeartbeat": "2026-03-02T09:00:00Z"}
    mine = fleet.hub.get("InternalMemberCluster", MEMBER, NAMESPACE)["status"]["agentStatus"]
    await fleet.hub.edit(
        "InternalMemberCluster", MEMBER, {"status": {"agentStatus": [*mine, other]}}, NAMESPACE, subresource="status"
    )
    await fleet.pass_time(120)
    kinds = [agent.type for agent in fleet.internal().status.agent_status]
    assert kinds == ["MemberAgent", "MultiClusterServiceAgent"]


# -- properties ---------------------------------------------------------------------------------


async def test_properties(fleet: Member):
    await fleet.join()
    await fleet.start(entrypoint="https://one.example:6443", certificate_authority="Y2E=")
    await fleet.until(lambda: fleet.is_agent("Joined", "True"))
    values = {name: item.value for name, item in fleet.internal().status.properties.items()}
    assert values == {
        "kubernetes-fleet.io/node-count": "0",
        "k8s.io/k8s-version": "v1.33.0",
        "k8s.io/cluster-entrypoint": "https://one.example:6443",
        "k8s.io/cluster-certificate-authority-data": "Y2E=",
    }
    conditions = {c.type: (c.status, c.reason) for c in fleet.internal().status.conditions}
    assert conditions == {
        "ClusterPropertyProviderStarted": ("True", "Started"),
        "ClusterPropertyCollectionSucceeded": ("True", "PropertiesCollected"),
    }


async def test_nodes_are_news(fleet: Member):
    await fleet.started()
    await add_node(fleet, "n1")
    await add_node(fleet, "n2", cpu="2", memory="4Gi", allocatable="1900m")
    await fleet.until(
        lambda: (usage := fleet.internal().status.resource_usage) and usage.capacity == {"cpu": "6", "memory": "12Gi"},
        within=1,
    )
    usage = fleet.internal().status.resource_usage
    assert usage is not None
    assert usage.allocatable == {"cpu": "5400m", "memory": "12Gi"}
    assert fleet.internal().status.properties["kubernetes-fleet.io/node-count"].value == "2"


async def test_available_is_what_no_pod_has_asked_for(fleet: Member):
    await add_node(fleet, "n1")
    await add_pod(fleet, "a")
    await add_pod(fleet, "b", cpu="1")
    await fleet.started()
    usage = fleet.internal().status.resource_usage
    assert usage is not None
    assert usage.available == {"cpu": "2", "memory": "6Gi"}


async def test_pods_are_no_news_but_the_next_heartbeat_tells_of_them(fleet: Member):
    await add_node(fleet, "n1")
    await fleet.started()
    before = reports(fleet)
    for number in range(20):
        await add_pod(fleet, f"p{number}", cpu="100m")
    await fleet.pass_time(30)
    assert reports(fleet) == before
    await fleet.pass_time(35)
    usage = fleet.internal().status.resource_usage
    assert usage is not None
    assert usage.available["cpu"] == "1500m"
    assert reports(fleet) == before + 1


async def test_a_member_whose_pods_may_not_be_listed(fleet: Member):
    await add_node(fleet, "n1")
    fleet.member.permissions.forbidden = lambda attributes: attributes.resource == "pods"
    await fleet.started()
    assert {c.type for c in fleet.internal().status.conditions} == {"ClusterPropertyCollectionSucceeded"}
    await fleet.pass_time(15)
    conditions = {c.type: (c.status, c.reason) for c in fleet.internal().status.conditions}
    assert conditions["ClusterPropertyProviderStarted"] == ("False", "TimedOut")
    fleet.member.permissions.forbidden = lambda attributes: False
    await fleet.until(lambda: fleet.internal().status.resource_usage is not None)
    conditions = {c.type: (c.status, c.reason) for c in fleet.internal().status.conditions}
    assert conditions["ClusterPropertyProviderStarted"] == ("True", "Started")


async def test_a_member_that_does_not_tell_its_version_keeps_the_last_one(fleet: Member):
    await fleet.started()
    fleet.member.permissions.forbidden = lambda attributes: attributes.path == "/version"
    await fleet.pass_time(65)
    conditions = {c.type: (c.status, c.reason) for c in fleet.internal().status.conditions}
    assert conditions["ClusterPropertyCollectionSucceeded"] == ("False", "FailedToCollect")
    assert fleet.internal().status.properties["k8s.io/k8s-version"].value == "v1.33.0"


async def test_a_member_that_does_not_answer_in_time(fleet: Member):
    await fleet.started()
    fleet.member.delays["/version"] = 30
    await fleet.pass_time(80)
    found = find_condition(fleet.internal().status.conditions, "ClusterPropertyCollectionSucceeded")
    assert found is not None
    assert (found.status, found.reason) == ("False", "TimedOut")
    assert found.message == "The member's API server did not tell its version within 10 s"
    assert fleet.internal().status.properties["k8s.io/k8s-version"].value == "v1.33.0"
    del fleet.member.delays["/version"]
    await fleet.pass_time(80)
    found = find_condition(fleet.internal().status.conditions, "ClusterPropertyCollectionSucceeded")
    assert found is not None
    assert (found.status, found.reason) == ("True", "PropertiesCollected")


async def test_times_of_properties_stay_while_their_values_do(fleet: Member):
    await fleet.started()
    before = fleet.internal().status
    await fleet.pass_time(300)
    after = fleet.internal().status
    assert after.properties == before.properties
    assert after.resource_usage == before.resource_usage
    assert after.conditions == before.conditions


# -- leaving ------------------------------------------------------------------------------------


async def test_on_leaving_works_are_let_go_and_objects_stay(member: Member):
    await member.work("web", config_map())
    await member.available()
    await member.want("Leave")
    await member.until(lambda: member.is_agent("Joined", "False", "InternalMemberClusterLeft"))
    assert "finalizers" not in member.hub.get("Work", "web", NAMESPACE)["metadata"]
    await member.unwork("web")
    await member.pass_time(60)
    assert member.member.find("ConfigMap", "settings", "app") is not None
    assert member.member.find("AppliedWork", "web") is not None


async def test_a_member_that_left_is_left_alone(member: Member):
    await member.work("web", config_map())
    await member.available()
    await member.want("Leave")
    await member.until(lambda: member.is_agent("Joined", "False"))
    await member.pass_time(1)
    before = len(member.hub.written())
    await member.rework("web", config_map(value="two"))
    await member.member.edit("ConfigMap", "settings", {"data": {"key": "theirs"}}, "app")
    await member.pass_time(600)
    assert member.member.get("ConfigMap", "settings", "app")["data"]["key"] == "theirs"
    assert len(member.hub.written()) == before


async def test_a_work_that_comes_while_the_member_leaves_is_let_go(member: Member):
    await member.want("Leave")
    await member.until(lambda: member.is_agent("Joined", "False"))
    await member.work("late", config_map())
    await member.until(lambda: "finalizers" not in member.hub.get("Work", "late", NAMESPACE)["metadata"])
    assert member.member.find("ConfigMap", "settings", "app") is None


async def test_a_member_that_comes_back_takes_up_its_works(member: Member):
    await member.work("web", config_map())
    await member.available()
    await member.want("Leave")
    await member.until(lambda: member.is_agent("Joined", "False"))
    await member.member.edit("ConfigMap", "settings", {"data": {"key": "theirs"}}, "app")
    await member.want("Join")
    await member.until(lambda: member.is_agent("Joined", "True"))
    await member.until(lambda: member.member.get("ConfigMap", "settings", "app")["data"]["key"] == "one")
    assert member.hub.get("Work", "web", NAMESPACE)["metadata"]["finalizers"]


async def test_an_agent_that_cannot_let_its_works_go_says_so(member: Member):
    await member.work("web", config_map())
    await member.available()
    member.hub.permissions.forbidden = lambda attributes: attributes.resource == "works" and attributes.verb == "patch"
    await member.want("Leave")
    await member.until(lambda: member.is_agent("Joined", "Unknown", "InternalMemberClusterFailedToLeave"))
    member.hub.permissions.forbidden = lambda attributes: False
    await member.until(lambda: member.is_agent("Joined", "False", "InternalMemberClusterLeft"))


async def test_a_work_that_goes_while_the_member_leaves_takes_nothing_with_it(member: Member):
    await member.work("web", config_map())
    await member.available()
    await member.want("Leave")
    await member.unwork("web")
    await member.until(lambda: member.find_work() is None)
    await member.pass_time(10)
    assert member.member.find("ConfigMap", "settings", "app") is not None


async def test_after_a_long_cut_a_heartbeat_comes_soon(member: Member):
    """However long the hub was away, nobody waits for long once it is back."""
    member.hub.reachable = False
    await member.pass_time(6 * 3600)
    member.hub.reachable = True
    beat = member.internal().status.agent_status[0].last_received_heartbeat
    await member.until(lambda: member.internal().status.agent_status[0].last_received_heartbeat != beat, within=31)


async def test_after_a_long_cut_what_was_applied_is_reported_soon(member: Member):
    await member.work("web", config_map())
    await member.until(lambda: member.member.find("ConfigMap", "settings", "app"))
    member.hub.reachable = False
    await member.pass_time(6 * 3600)
    member.hub.reachable = True
    await member.until(lambda: member.is_work("Available", "True"), within=31)
