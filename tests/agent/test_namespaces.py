"""The namespaces of a member, where its agent collects them."""

from __future__ import annotations

from echelon.agent import namespaces
from echelon.api.conditions import find_condition

from .member import Member, config_map, namespace


async def started(member: Member) -> None:
    await member.join()
    await member.start(collect_namespaces=True)
    await member.until(lambda: member.is_agent("Joined", "True"))


def reported(member: Member) -> dict[str, str]:
    return dict(member.internal().status.namespaces)


async def test_namespaces_come_with_the_applied_work_that_owns_them(fleet: Member) -> None:
    await started(fleet)
    await fleet.until(lambda: reported(fleet).get("app") == "", within=1)
    condition = find_condition(fleet.internal().status.conditions, "NamespaceCollectionSucceeded")
    assert condition is not None
    assert (condition.status, condition.reason) == ("True", "Succeeded")
    await fleet.work("web", namespace("shop"), config_map())
    await fleet.until(lambda: reported(fleet).get("shop") == "web", within=2)
    assert reported(fleet)["app"] == ""
    await fleet.unwork("web")
    await fleet.until(lambda: "shop" not in reported(fleet))


async def test_of_too_many_namespaces_the_first_are_reported(fleet: Member) -> None:
    for number in range(namespaces.LIMIT):
        await fleet.member.create(namespace(f"many-{number:03}"))
    await started(fleet)
    await fleet.until(lambda: len(reported(fleet)) == namespaces.LIMIT)
    condition = find_condition(fleet.internal().status.conditions, "NamespaceCollectionSucceeded")
    assert condition is not None
    assert (condition.status, condition.reason) == ("False", "Degraded")
    assert f"the first {namespaces.LIMIT} by name" in condition.message
    assert max(reported(fleet)) < "many-199"


async def test_nothing_is_collected_unless_the_agent_is_told_to(fleet: Member) -> None:
    await fleet.started()
    assert reported(fleet) == {}
    assert find_condition(fleet.internal().status.conditions, "NamespaceCollectionSucceeded") is None
