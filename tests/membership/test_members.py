"""Members join, report and leave (reference 3.12)."""

from __future__ import annotations

import pytest

from echelon.membership.members import name_problem

from .fleet import Fleet, brief, passes

NAMESPACE = "fleet-member-one"
EXPORTS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "internalserviceexports.networking.fleet.azure.com"},
    "spec": {
        "group": "networking.fleet.azure.com",
        "scope": "Namespaced",
        "names": {
            "plural": "internalserviceexports",
            "singular": "internalserviceexport",
            "kind": "InternalServiceExport",
            "listKind": "InternalServiceExportList",
        },
        "versions": [
            {"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
        ],
    },
}


# -- joining ------------------------------------------------------------------------------------


async def test_a_member_gets_its_namespace_rights_and_internal_member(fleet: Fleet):
    await fleet.ready(heartbeatPeriodSeconds=15)
    owner = {
        "apiVersion": "cluster.kubernetes-fleet.io/v1beta1",
        "kind": "MemberCluster",
        "name": "one",
        "uid": fleet.member().metadata.uid,
        "controller": True,
    }
    namespace = fleet.hub.get("Namespace", NAMESPACE)
    assert namespace["metadata"]["labels"]["kubernetes-fleet.io/is-fleet-resource"] == "true"
    assert namespace["metadata"]["ownerReferences"] == [owner]
    role = fleet.hub.get("Role", "fleet-role-one", NAMESPACE)
    read, report = ["get", "list", "watch"], ["get", "patch", "update"]
    cluster, placement = "cluster.kubernetes-fleet.io", "placement.kubernetes-fleet.io"
    assert role["rules"] == [
        {"apiGroups": [cluster], "resources": ["internalmemberclusters"], "verbs": read},
        {"apiGroups": [cluster], "resources": ["internalmemberclusters/status"], "verbs": report},
        {"apiGroups": [placement], "resources": ["works"], "verbs": [*read, "patch", "update"]},
        {"apiGroups": [placement], "resources": ["works/status"], "verbs": report},
        {"apiGroups": ["networking.fleet.azure.com"], "resources": ["*"], "verbs": ["*"]},
        {"apiGroups": ["", "events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch", "update"]},
        {
            "apiGroups": [""],
            "resources": ["serviceaccounts/token"],
            "resourceNames": ["fleet-agent"],
            "verbs": ["create"],
        },
    ]
    assert brief(fleet.hub.get("RoleBinding", "fleet-rolebinding-one", NAMESPACE)) == {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "fleet-role-one"},
        "subjects": [{"kind": "User", "name": "agent-of-one", "apiGroup": "rbac.authorization.k8s.io"}],
    }
    internal = fleet.hub.get("InternalMemberCluster", "one", NAMESPACE)
    assert internal["spec"] == {"state": "Join", "heartbeatPeriodSeconds": 15}
    assert internal["metadata"]["ownerReferences"] == [owner]


async def test_a_member_has_the_finalizer_and_can_be_selected_by_its_name(fleet: Fleet):
    await fleet.ready()
    metadata = fleet.member().metadata
    assert list(metadata.finalizers) == ["kubernetes-fleet.io/membercluster-finalizer"]
    assert metadata.labels == {"kubernetes-fleet.io/member-name": "one"}
    await fleet.hub.edit("MemberCluster", "one", {"metadata": {"labels": {"kubernetes-fleet.io/member-name": None}}})
    await fleet.until(lambda: fleet.member().metadata.labels == {"kubernetes-fleet.io/member-name": "one"})


async def test_a_service_account_needs_no_group(fleet: Fleet):
    await fleet.ready(identity={"kind": "ServiceAccount", "name": "agent", "namespace": "fleet-system"})
    binding = fleet.hub.get("RoleBinding", "fleet-rolebinding-one", NAMESPACE)
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "agent", "namespace": "fleet-system"}]


async def test_conditions_before_the_agent_comes(fleet: Fleet):
    await fleet.ready()
    assert fleet.shows("ReadyToJoin", "True", "MemberClusterReadyToJoin")
    assert fleet.shows("Joined", "Unknown", "MemberClusterJoinStateUnknown")
    assert fleet.condition("Healthy") is None


@pytest.mark.parametrize(
    ("reported", "why", "status", "reason"),
    [
        ("True", "InternalMemberClusterJoined", "True", "MemberClusterJoined"),
        ("False", "InternalMemberClusterLeft", "False", "MemberClusterLeft"),
        ("Unknown", "InternalMemberClusterFailedToJoin", "Unknown", "MemberClusterJoinStateUnknown"),
        ("Unknown", "InternalMemberClusterFailedToLeave", "Unknown", "MemberClusterJoinStateUnknown"),
    ],
)
async def test_joined_follows_the_agent(fleet: Fleet, reported: str, why: str, status: str, reason: str):
    await fleet.joined()
    await fleet.report(joined=reported, reason=why)
    await fleet.until(lambda: fleet.shows("Joined", status, reason))


async def test_what_the_agent_reports_is_copied(fleet: Fleet):
    await fleet.ready()
    moment = "2026-03-02T09:00:00Z"
    usage = {
        "capacity": {"cpu": "4"},
        "allocatable": {"cpu": "3"},
        "available": {"cpu": "1"},
        "observationTime": moment,
    }
    properties = {"kubernetes-fleet.io/node-count": {"value": "3", "observationTime": moment}}
    collected = {
        "type": "ClusterPropertyCollectionSucceeded",
        "status": "True",
        "reason": "PropertiesCollected",
        "message": "",
        "lastTransitionTime": moment,
    }
    known = {**collected, "type": "NamespaceCollectionSucceeded", "reason": "Succeeded"}
    namespaces = {"app": "web", "default": ""}
    await fleet.report(resourceUsage=usage, properties=properties, namespaces=namespaces, conditions=[collected, known])
    await fleet.until(lambda: fleet.member().status.properties)
    stored = fleet.hub.get("MemberCluster", "one")["status"]
    assert stored["resourceUsage"] == usage
    assert stored["properties"] == properties
    assert stored["namespaces"] == namespaces
    assert fleet.shows("NamespaceCollectionSucceeded", "True", "Succeeded")
    assert fleet.shows("ClusterPropertyCollectionSucceeded", "True", "PropertiesCollected")
    assert fleet.shows("Healthy", "True", "InternalMemberClusterHealthy")


async def test_a_member_that_is_unhealthy_says_so(fleet: Fleet):
    """It stays a member: what it has stays, and the scheduler passes it over only after five minutes."""
    await fleet.joined()
    await fleet.report(healthy="False")
    await fleet.until(lambda: fleet.shows("Healthy", "False", "InternalMemberClusterUnhealthy"))
    assert fleet.shows("Joined", "True", "MemberClusterJoined")
    await fleet.report()
    await fleet.until(lambda: fleet.shows("Healthy", "True", "InternalMemberClusterHealthy"))


async def test_a_heartbeat_costs_one_small_write(fleet: Fleet):
    await fleet.joined()
    await fleet.pass_time(60)
    before = len(fleet.hub.written("controllers"))
    await fleet.report()
    seen = fleet.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    await fleet.until(lambda: fleet.member().status.agent_status[0].last_received_heartbeat == seen)
    await fleet.pass_time(30)
    assert len(fleet.hub.written("controllers")) - before == 1


async def test_nothing_is_written_while_nothing_changes(fleet: Fleet):
    await fleet.joined()
    await fleet.pass_time(10)
    written, before = len(fleet.hub.written("controllers")), passes()
    await fleet.pass_time(3600)
    assert len(fleet.hub.written("controllers")) == written
    assert passes() == before


# -- what is there is kept as it has to be ------------------------------------------------------


async def test_rights_that_were_changed_are_put_right(fleet: Fleet):
    await fleet.ready()
    await fleet.hub.edit("Role", "fleet-role-one", {"rules": []}, NAMESPACE)
    await fleet.until(lambda: fleet.hub.get("Role", "fleet-role-one", NAMESPACE)["rules"])
    await fleet.hub.edit("RoleBinding", "fleet-rolebinding-one", {"subjects": []}, NAMESPACE)
    await fleet.until(lambda: fleet.hub.get("RoleBinding", "fleet-rolebinding-one", NAMESPACE).get("subjects"))


@pytest.mark.parametrize(
    ("kind", "name"),
    [("Role", "fleet-role-one"), ("RoleBinding", "fleet-rolebinding-one"), ("InternalMemberCluster", "one")],
)
async def test_what_was_deleted_comes_back(fleet: Fleet, kind: str, name: str):
    await fleet.ready()
    uid = fleet.hub.get(kind, name, NAMESPACE)["metadata"]["uid"]
    await fleet.hub.delete(kind, name, NAMESPACE)
    await fleet.until(
        lambda: (found := fleet.hub.find(kind, name, NAMESPACE)) is not None and found["metadata"]["uid"] != uid
    )


async def test_a_role_binding_to_another_role_is_replaced(bare: Fleet):
    await bare.hub.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "another"}
    await bare.hub.create(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "fleet-rolebinding-one", "namespace": NAMESPACE},
            "roleRef": reference,
        }
    )
    await bare.start()
    await bare.ready()
    binding = bare.hub.get("RoleBinding", "fleet-rolebinding-one", NAMESPACE)
    assert binding["roleRef"]["name"] == "fleet-role-one"


async def test_the_identity_may_change(fleet: Fleet):
    await fleet.ready()
    await fleet.hub.edit("MemberCluster", "one", {"spec": {"identity": {"name": "another"}}})
    await fleet.until(
        lambda: fleet.hub.get("RoleBinding", "fleet-rolebinding-one", NAMESPACE)["subjects"][0]["name"] == "another"
    )


async def test_a_namespace_that_is_there_already_becomes_the_members(bare: Fleet):
    await bare.hub.create(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": {"a": "b"}}}
    )
    await bare.start()
    await bare.ready()
    metadata = bare.hub.get("Namespace", NAMESPACE)["metadata"]
    assert metadata["labels"]["a"] == "b"
    assert metadata["labels"]["kubernetes-fleet.io/is-fleet-resource"] == "true"
    assert [owner["uid"] for owner in metadata["ownerReferences"]] == [bare.member().metadata.uid]


async def test_the_heartbeat_period_may_change(fleet: Fleet):
    await fleet.joined()
    await fleet.hub.edit("MemberCluster", "one", {"spec": {"heartbeatPeriodSeconds": 5}})
    await fleet.until(lambda: (found := fleet.internal()) and found.spec.heartbeat_period_seconds == 5)


# -- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [51, 52, 62, 63])
async def test_a_name_too_long_for_a_namespace_is_reported_and_not_tried_again(fleet: Fleet, length: int):
    name = "m" * length
    await fleet.add(name)
    await fleet.until(lambda: fleet.shows("ReadyToJoin", "False", "MemberClusterNotReadyToJoin", name))
    condition = fleet.condition("ReadyToJoin", name)
    assert condition is not None
    assert f"{length} characters; 50 are the most" in condition.message
    before = passes()
    await fleet.pass_time(3600)
    assert passes() - before <= 1  # the pass that reported it
    await fleet.remove(name)
    await fleet.gone(name)


async def test_the_longest_name_works(fleet: Fleet):
    await fleet.ready("m" * 50)
    assert fleet.internal("m" * 50) is not None


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("one", None),
        ("a" * 50, None),
        ("a" * 51, "The name has 51 characters; 50 are the most for which fleet-member-<name> is a valid name"),
        ("a.b", "'fleet-member-a.b' is no valid name of a namespace"),
    ],
)
def test_names(name: str, problem: str | None):
    found = name_problem(name)
    assert found is None if problem is None else found is not None and found.startswith(problem)


# -- leaving ------------------------------------------------------------------------------------


async def test_a_member_leaves_when_its_agent_has_left(fleet: Fleet):
    await fleet.joined()
    await fleet.work()
    await fleet.remove()
    await fleet.until(lambda: (found := fleet.internal()) and found.spec.state == "Leave")
    await fleet.pass_time(60)
    assert fleet.find() is not None
    assert fleet.shows("ReadyToJoin", "False", "MemberClusterNotReadyToJoin")
    await fleet.report(joined="False")
    await fleet.gone(within=5)
    assert fleet.hub.find("Namespace", NAMESPACE) is None
    assert fleet.hub.find("placement.kubernetes-fleet.io/Work", "web", NAMESPACE) is None


async def test_a_member_that_never_came_leaves_at_once(fleet: Fleet):
    await fleet.ready()
    await fleet.remove()
    await fleet.gone(within=5)


async def test_a_silent_agent_is_waited_for_until_the_deadline(fleet: Fleet):
    await fleet.joined()
    await fleet.work()
    await fleet.remove()
    before = passes()
    await fleet.pass_time(14 * 60)
    assert fleet.find() is not None
    assert passes() - before < 10
    await fleet.gone(within=90)
    assert fleet.hub.find("Namespace", NAMESPACE) is None


async def test_a_member_that_comes_back_before_its_namespace_is_gone_waits_for_that(fleet: Fleet):
    await fleet.ready()
    await fleet.hub.create(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "stuck", "namespace": NAMESPACE, "finalizers": ["example.com/hold"]},
        }
    )
    await fleet.remove()
    await fleet.until(lambda: (found := fleet.condition("ReadyToJoin")) and "is gone" in found.message)
    await fleet.hub.edit("MemberCluster", "one", {"metadata": {"finalizers": None}})
    await fleet.gone()
    await fleet.add()
    await fleet.until(lambda: (found := fleet.condition("ReadyToJoin")) and "earlier member" in found.message)
    assert fleet.shows("ReadyToJoin", "False", "MemberClusterNotReadyToJoin")
    before = passes()
    await fleet.pass_time(600)
    assert passes() - before < 5
    await fleet.hub.edit("ConfigMap", "stuck", {"metadata": {"finalizers": None}}, NAMESPACE)
    await fleet.until(lambda: fleet.shows("ReadyToJoin", "True", "MemberClusterReadyToJoin"))
    assert fleet.internal() is not None


async def test_a_member_may_leave_and_come_back(fleet: Fleet):
    await fleet.joined()
    await fleet.remove()
    await fleet.until(lambda: (found := fleet.internal()) and found.spec.state == "Leave")
    await fleet.report(joined="False")
    await fleet.gone()
    await fleet.joined()


async def test_a_work_that_comes_while_its_member_leaves_does_not_hold_it(fleet: Fleet):
    await fleet.joined()
    await fleet.remove()
    await fleet.until(lambda: (found := fleet.internal()) and found.spec.state == "Leave")
    await fleet.work("late")
    await fleet.report(joined="False")
    await fleet.gone(within=5)


# -- what becomes of what was placed, and of an agent that is lost ---------------------------------


def on_leave(what: str) -> dict[str, object]:
    return {"metadata": {"annotations": {"fleet.echelon.dev/on-leave": what}}}


async def test_what_was_placed_goes_before_a_member_that_is_to_be_emptied(fleet: Fleet):
    await fleet.joined()
    await fleet.work("a")
    await fleet.work("b")
    await fleet.hub.edit("MemberCluster", "one", on_leave("delete"))
    await fleet.remove()
    await fleet.until(lambda: (found := fleet.condition("ReadyToJoin")) and "2 Works are left" in found.message)
    works = [fleet.hub.get("placement.kubernetes-fleet.io/Work", name, NAMESPACE) for name in ("a", "b")]
    assert all(work["metadata"]["deletionTimestamp"] for work in works)
    for left in ("1 Works are left", "is to leave"):
        assert (internal := fleet.internal()) is not None
        assert internal.spec.state == "Join"
        name = works.pop()["metadata"]["name"]
        await fleet.hub.edit("placement.kubernetes-fleet.io/Work", name, {"metadata": {"finalizers": None}}, NAMESPACE)
        await fleet.until(lambda left=left: (found := fleet.condition("ReadyToJoin")) and left in found.message)
    assert (internal := fleet.internal()) is not None
    assert internal.spec.state == "Leave"
    await fleet.report(joined="False")
    await fleet.gone(within=5)


async def test_a_member_that_cannot_be_emptied_leaves_at_the_deadline(fleet: Fleet):
    await fleet.joined()
    await fleet.work()
    await fleet.hub.edit("MemberCluster", "one", on_leave("delete"))
    await fleet.remove()
    await fleet.pass_time(14 * 60)
    assert fleet.find() is not None
    await fleet.gone(within=90)


async def test_a_member_may_be_forced_to_leave_at_any_time(fleet: Fleet):
    await fleet.joined()
    await fleet.work()
    await fleet.remove()
    await fleet.pass_time(60)
    assert fleet.find() is not None
    await fleet.hub.edit("MemberCluster", "one", on_leave("force"))
    await fleet.gone(within=5)


# -- deleteOptions.validationMode ---------------------------------------------------------------


async def exporting(fleet: Fleet, **spec: object) -> None:
    """A member that exports a service."""
    await fleet.hub.create(EXPORTS)
    await fleet.ready(**spec)
    fleet.hub.admin.mapper.forget()
    metadata = {"name": "shop", "namespace": NAMESPACE}
    api_version = "networking.fleet.azure.com/v1alpha1"
    await fleet.hub.create({"apiVersion": api_version, "kind": "InternalServiceExport", "metadata": metadata})


async def test_strict_holds_a_member_that_exports_services(fleet: Fleet):
    await exporting(fleet, deleteOptions={"validationMode": "Strict"})
    await fleet.remove()
    await fleet.until(
        lambda: (found := fleet.condition("ReadyToJoin")) and "exports the services shop" in found.message
    )
    internal = fleet.internal()
    assert internal is not None
    assert internal.spec.state == "Join"
    await fleet.hub.delete("InternalServiceExport", "shop", NAMESPACE)
    await fleet.gone(within=5)


async def test_skip_lets_a_member_go_that_exports_services(fleet: Fleet):
    await exporting(fleet, deleteOptions={"validationMode": "Skip"})
    await fleet.remove()
    await fleet.gone(within=5)
