"""Nobody grants what they do not have."""

from __future__ import annotations

from typing import Any

import pytest

RBAC = "rbac.authorization.k8s.io"
ROLES = f"/apis/{RBAC}/v1/namespaces/default/roles"


@pytest.fixture
async def eve(person: Any, rights: Any) -> Any:
    """May write roles and bindings, and read config maps, everywhere."""
    writes = rights.rule("create,update,patch,get", "roles,rolebindings,clusterroles,clusterrolebindings", RBAC)
    await rights.give("eve", writes, rights.rule("get,list", "configmaps"))
    return person("eve")


async def test_what_one_has_may_be_granted(eve: Any, rights: Any) -> None:
    role = rights.role("reader", rights.rule("get", "configmaps"), namespace="default")
    binding = rights.binding("adam", "reader", "User:adam", namespace="default", kind="Role")
    assert (await rights.make(role, binding, by=eve)).status == 201
    assert (await rights.make(rights.role("reader", rights.rule("list", "configmaps")), by=eve)).status == 201


async def test_a_role_with_more_is_refused(eve: Any, rights: Any) -> None:
    more = (rights.rule("get,delete,patch", "configmaps"), rights.rule("get", "secrets", resourceNames=["a"]))
    reply = await rights.make(rights.role("more", *more, namespace="default"), by=eve)
    assert reply.status == 403
    assert reply.json["message"] == (
        f'roles.{RBAC} "more" is forbidden: user "eve" (groups=["system:authenticated"]) is attempting to grant RBAC '
        "permissions not currently held:\n"
        '{APIGroups:[""], Resources:["configmaps"], Verbs:["delete" "patch"]}\n'
        '{APIGroups:[""], Resources:["secrets"], ResourceNames:["a"], Verbs:["get"]}'
    )
    assert reply.json["details"] == {"name": "more", "group": RBAC, "kind": "roles"}


async def test_a_change_is_looked_at_as_a_whole(eve: Any, rights: Any) -> None:
    await rights.make(rights.role("strong", rights.rule("delete", "nodes")))
    path = f"/apis/{RBAC}/v1/clusterroles/strong"
    assert (await eve.patch(path, {"metadata": {"labels": {"a": "b"}}})).status == 403
    assert (await eve.patch(path, {"rules": []})).status == 200
    assert (await eve.patch(path, {"rules": [rights.rule("delete", "nodes")]})).status == 403


async def test_garbage_collection_may_touch_any_role(eve: Any, rights: Any) -> None:
    await rights.make(rights.role("strong", rights.rule("delete", "nodes")))
    path = f"/apis/{RBAC}/v1/clusterroles/strong"
    assert (await eve.patch(path, {"metadata": {"finalizers": ["example.com/held"]}})).status == 200


async def test_apply_is_no_way_around(eve: Any, rights: Any) -> None:
    role = rights.role("more", rights.rule("*", "*", "*"), namespace="default")
    reply = await eve.patch(f"{ROLES}/more?fieldManager=eve", role, kind="apply-patch+yaml")
    assert reply.status == 403
    update = rights.role("more", namespace="default")
    assert (await rights.make(update, by=eve)).status == 201
    assert (await eve.put(f"{ROLES}/more", role)).status == 403


async def test_a_role_may_be_escalated_with_the_verb(eve: Any, rights: Any) -> None:
    escalate = rights.rule("escalate", "roles", RBAC, resourceNames=["more"])
    await rights.make(rights.role("lift", escalate), rights.binding("lift", "lift", "User:eve"))
    more = rights.rule("delete", "nodes")
    assert (await rights.make(rights.role("more", more, namespace="default"), by=eve)).status == 201
    assert (await rights.make(rights.role("most", more, namespace="default"), by=eve)).status == 403


async def test_a_binding_to_a_stronger_role_is_refused(eve: Any, rights: Any) -> None:
    reply = await rights.make(rights.binding("up", "cluster-admin", "User:eve"), by=eve)
    assert reply.status == 403
    assert reply.json["message"].startswith(f'clusterrolebindings.{RBAC} "up" is forbidden: user "eve"')
    assert (
        '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}\n{NonResourceURLs:["*"], Verbs:["*"]}' in reply.json["message"]
    )


async def test_a_binding_needs_its_role(eve: Any, rights: Any) -> None:
    reply = await rights.make(rights.binding("up", "nothing", "User:eve"), by=eve)
    assert (reply.status, reply.json["message"]) == (404, f'clusterroles.{RBAC} "nothing" not found')


async def test_a_role_may_be_bound_with_the_verb(eve: Any, rights: Any) -> None:
    bind = rights.rule("bind", "clusterroles", RBAC, resourceNames=["view"])
    await rights.make(
        rights.role("bind", bind, namespace="default"),
        rights.binding("bind", "bind", "User:eve", namespace="default", kind="Role"),
    )
    assert (await rights.make(rights.binding("a", "view", "User:adam", namespace="default"), by=eve)).status == 201
    assert (await rights.make(rights.binding("a", "edit", "User:adam", namespace="default"), by=eve)).status == 403
    assert (await rights.make(rights.binding("a", "view", "User:adam"), by=eve)).status == 403


async def test_aggregation_takes_full_authority(eve: Any, person: Any, rights: Any) -> None:
    gather = {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}
    reply = await rights.make(rights.role("all", aggregationRule=gather), by=eve)
    assert reply.json["message"] == (
        f'clusterroles.{RBAC} "all" is forbidden: must have cluster-admin privileges to use an aggregationRule'
    )
    await rights.make(rights.binding("adam", "cluster-admin", "User:adam"))
    assert (await rights.make(rights.role("all", aggregationRule=gather), by=person("adam"))).status == 201


async def test_a_dry_run_is_refused_as_well(eve: Any, rights: Any) -> None:
    role = rights.role("more", rights.rule("delete", "nodes"), namespace="default")
    assert (await eve.post(f"{ROLES}?dryRun=All", role)).status == 403


async def test_masters_grant_anything(api: Any, person: Any, rights: Any) -> None:
    assert (await rights.make(rights.binding("x", "later", "User:eve"))).status == 201
    root = person("root", "system:masters")
    assert (await rights.make(rights.role("later", rights.rule("*", "*", "*")), by=root)).status == 201
