"""Who may do what, through roles and bindings that come, change and go."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echelon.apiserver import MASTERS, Attributes, Database, User, summarize
from echelon.apiserver.access.authorizer import RoleBasedAccess
from echelon.apiserver.access.index import GROUP, RoleIndex
from echelon.apiserver.app import default_definitions
from echelon.apiserver.clock import SystemClock
from echelon.apiserver.lifecycle.provisioning import own_write
from echelon.apiserver.objects import Objects
from echelon.apiserver.query import DeleteOptions
from echelon.apiserver.registry import Registry

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


async def test_nothing_is_allowed_at_first(person: Any) -> None:
    reply = await person("eve").get(CONFIGMAPS)
    assert (reply.status, reply.json["message"]) == (
        403,
        'configmaps is forbidden: User "eve" cannot list resource "configmaps" in API group "" in the namespace '
        '"default"',
    )


async def test_a_role_in_a_namespace(person: Any, rights: Any) -> None:
    await rights.give("eve", rights.rule("get,list", "configmaps"), namespace="default")
    eve = person("eve")
    assert (await eve.get(CONFIGMAPS)).status == 200
    assert (await eve.get(f"{CONFIGMAPS}/a")).status == 404
    assert (await eve.get(f"{CONFIGMAPS}?watch=1")).status == 403
    assert (await eve.get("/api/v1/configmaps")).status == 403
    assert (await eve.get("/api/v1/namespaces/kube-system/configmaps")).status == 403
    assert (await person("adam").get(CONFIGMAPS)).status == 403


async def test_a_role_in_the_whole_cluster(person: Any, rights: Any) -> None:
    await rights.give("eve", rights.rule("list", "configmaps,nodes"))
    eve = person("eve")
    for path in (CONFIGMAPS, "/api/v1/configmaps", "/api/v1/nodes"):
        assert (await eve.get(path)).status == 200


async def test_a_cluster_role_given_in_a_namespace(person: Any, rights: Any) -> None:
    await rights.make(rights.binding("team", "view", "Group:developers", namespace="default"))
    dev = person("eve", "developers")
    assert (await dev.get(CONFIGMAPS)).status == 200
    assert (await dev.get("/api/v1/namespaces/default/secrets")).status == 403
    assert (await dev.get("/api/v1/configmaps")).status == 403
    assert (await person("eve").get(CONFIGMAPS)).status == 403


async def test_a_binding_without_its_role_says_so(person: Any, rights: Any) -> None:
    await rights.make(rights.binding("team", "later", "User:eve", namespace="default", kind="Role"))
    eve = person("eve")
    refused = await eve.get(CONFIGMAPS)
    assert refused.json["message"].endswith(f': RBAC: role.{GROUP} "later" not found')
    await rights.make(rights.role("later", rights.rule("list", "configmaps"), namespace="default"))
    assert (await eve.get(CONFIGMAPS)).status == 200


async def test_changes_count_at_once(api: Any, person: Any, rights: Any) -> None:
    role = rights.role("reader", rights.rule("list", "configmaps"), namespace="default")
    binding = rights.binding("eve", "reader", "User:eve", namespace="default", kind="Role")
    await rights.make(role, binding)
    eve = person("eve")
    assert (await eve.get(CONFIGMAPS)).status == 200
    path = f"{rights.path(role)}/reader"
    await api.patch(path, {"rules": [rights.rule("get", "configmaps")]})
    assert (await eve.get(CONFIGMAPS)).status == 403
    assert (await eve.get(f"{CONFIGMAPS}/a")).status == 404
    await api.patch(f"{rights.path(binding)}/eve", {"subjects": []})
    assert (await eve.get(f"{CONFIGMAPS}/a")).status == 403


@pytest.mark.parametrize("gone", ["role", "binding"])
async def test_what_is_removed_gives_nothing(gone: str, person: Any, rights: Any) -> None:
    role = rights.role("reader", rights.rule("list", "configmaps"))
    binding = rights.binding("eve", "reader", "User:eve")
    await rights.make(role, binding)
    assert (await person("eve").get(CONFIGMAPS)).status == 200
    await rights.remove(role if gone == "role" else binding)
    assert (await person("eve").get(CONFIGMAPS)).status == 403


async def test_names_count_where_they_are_asked_for(person: Any, rights: Any) -> None:
    named = rights.rule("get,list,watch,delete,create", "configmaps", resourceNames=["only"])
    await rights.give("eve", named, namespace="default")
    eve = person("eve")
    assert (await eve.get(f"{CONFIGMAPS}/only")).status == 404
    assert (await eve.get(f"{CONFIGMAPS}/other")).status == 403
    assert (await eve.get(f"{CONFIGMAPS}?fieldSelector=metadata.name%3Donly")).status == 200
    assert (await eve.get(f"{CONFIGMAPS}?fieldSelector=metadata.name%3Dother")).status == 403
    assert (await eve.get(CONFIGMAPS)).status == 403
    assert (await eve.delete(CONFIGMAPS)).status == 403
    new = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "only"}}
    assert (await eve.post(CONFIGMAPS, new)).status == 403  # the name of what is created is not known yet


async def test_subresources_have_rules_of_their_own(api: Any, person: Any, rights: Any) -> None:
    namespace = "/api/v1/namespaces/default"
    await rights.give("eve", rights.rule("get,patch", "namespaces/status"))
    assert (await person("eve").get(f"{namespace}/status")).status == 200
    assert (await person("eve").get(namespace)).status == 403
    await rights.give("adam", rights.rule("get", "*/status"))
    assert (await person("adam").get(f"{namespace}/status")).status == 200


async def test_paths(person: Any, rights: Any) -> None:
    await rights.give("eve", rights.rule("get", nonResourceURLs=["/metrics", "/debug/*"]))
    eve = person("eve")
    assert (await eve.get("/debug/nothing")).status == 404
    assert (await eve.get("/debug")).status == 403
    assert (await eve.post("/debug/x", {})).status == 403


async def test_everyone_authenticated_may_discover(person: Any, anonymous: Any) -> None:
    for path in ("/api", "/apis", "/api/v1", "/apis/apps/v1", "/openapi/v3", "/version"):
        assert (await person("eve").get(path)).status == 200
    assert (await anonymous.get("/version")).status == 200
    assert (await anonymous.get("/api")).status == 403


async def test_masters_need_no_binding(rights: Any, server: Any) -> None:
    master = User("root", (MASTERS,))
    await rights.remove(rights.binding("cluster-admin", "cluster-admin"))
    assert server.authorizer.decide(master, Attributes("delete", resource="nodes")).allowed
    assert server.authorizer.decide(master, Attributes("delete", path="/")).allowed


async def test_the_reason_names_binding_and_role(rights: Any, server: Any) -> None:
    await rights.make(rights.binding("team", "view", "ServiceAccount:default/robot", namespace="default"))
    robot = User("system:serviceaccount:default:robot")
    decision = server.authorizer.decide(robot, Attributes("get", resource="pods", namespace="default"))
    assert decision.reason == (
        'RBAC: allowed by RoleBinding "team/default" of ClusterRole "view" to ServiceAccount "robot/default"'
    )


# Against a plain evaluator

NAMESPACES = ("default", "team")
USERS = (
    User("eve", ("developers",)),
    User("adam", ("developers", "operators")),
    User("system:serviceaccount:team:robot", ("system:serviceaccounts",)),
)
SUBJECTS = st.sampled_from(
    [
        {"kind": "User", "name": "eve", "apiGroup": GROUP},
        {"kind": "User", "name": "system:serviceaccount:team:robot", "apiGroup": GROUP},
        {"kind": "Group", "name": "developers", "apiGroup": GROUP},
        {"kind": "Group", "name": "eve", "apiGroup": GROUP},
        {"kind": "ServiceAccount", "name": "robot", "namespace": "team"},
        {"kind": "ServiceAccount", "name": "robot", "namespace": "default"},
    ]
)
SCOPES = st.sampled_from(["", *NAMESPACES])
NAMES = st.sampled_from(["a", "b"])
RESOURCES = ("pods", "nodes")
RULES = st.lists(
    st.builds(
        lambda verbs, resource: {"verbs": verbs, "apiGroups": [""], "resources": [resource]},
        st.sampled_from([["get"], ["list"], ["*"]]),
        st.sampled_from(RESOURCES),
    ),
    max_size=2,
)
WRITES = st.one_of(
    st.tuples(st.just("role"), SCOPES, NAMES, RULES),
    st.tuples(st.just("binding"), SCOPES, NAMES, st.tuples(st.booleans(), NAMES, st.lists(SUBJECTS, max_size=2))),
    st.tuples(st.sampled_from(["no role", "no binding"]), SCOPES, NAMES, st.none()),
)
Store = dict[tuple[str, str], Any]


def plainly_allowed(roles: Store, bindings: Store, user: User, verb: str, resource: str, namespace: str) -> bool:
    for (scope, _), (kind, name, subjects) in bindings.items():
        if scope not in ("", namespace):
            continue
        if not any(_is(subject, user) for subject in subjects):
            continue
        for rule in roles.get((scope if kind == "Role" else "", name), ()):
            if resource in rule["resources"] and (verb in rule["verbs"] or "*" in rule["verbs"]):
                return True
    return False


def _is(subject: dict[str, str], user: User) -> bool:
    match subject["kind"]:
        case "User":
            return subject["name"] == user.name
        case "Group":
            return subject["name"] in user.groups
        case _:
            return user.name == f"system:serviceaccount:{subject['namespace']}:{subject['name']}"


class Model:
    """A store of roles and bindings, once in the server's objects and once in plain dictionaries."""

    def __init__(self) -> None:
        self.database = Database.open(None, summarize=summarize)
        registry = Registry(default_definitions(SystemClock()))
        self.objects = Objects(self.database.keyspace("main"), registry)
        self.index = RoleIndex(self.objects)
        self.objects.observe(self.index.observe)
        self.stores: dict[str, Store] = {"role": {}, "binding": {}}

    async def prepare(self) -> None:
        for name in NAMESPACES:
            await self._put("namespaces", "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    async def _put(self, plural: str, scope: str, obj: dict[str, Any], group: str = "") -> None:
        definition = self.objects.registry.get(group, plural)
        assert definition is not None
        if self.objects.bucket(definition).get(scope, obj["metadata"]["name"]) is None:
            await self.objects.create(obj, own_write(definition, scope))
        else:
            await self.objects.update(
                obj["metadata"]["name"], lambda old: {**obj, "metadata": old["metadata"]}, own_write(definition, scope)
            )

    async def _remove(self, plural: str, scope: str, name: str) -> None:
        definition = self.objects.registry.get(GROUP, plural)
        assert definition is not None
        if self.objects.bucket(definition).get(scope, name) is not None:
            await self.objects.delete(definition, scope, name, DeleteOptions())

    async def write(self, what: str, scope: str, name: str, content: Any) -> None:
        cluster = "" if scope else "cluster"
        head = {"apiVersion": f"{GROUP}/v1", "metadata": {"name": name}}
        if what == "role":
            self.stores["role"][scope, name] = content
            kind = "Role" if scope else "ClusterRole"
            await self._put(f"{cluster}roles", scope, head | {"kind": kind, "rules": content}, GROUP)
        elif what == "binding":
            local, role, subjects = content
            role_kind = "Role" if local and scope else "ClusterRole"
            await self.write("no binding", scope, name, None)  # where a binding leads cannot be changed
            self.stores["binding"][scope, name] = (role_kind, role, subjects)
            kind = "RoleBinding" if scope else "ClusterRoleBinding"
            reference = {"apiGroup": GROUP, "kind": role_kind, "name": role}
            obj = head | {"kind": kind, "roleRef": reference, "subjects": subjects}
            await self._put(f"{cluster}rolebindings", scope, obj, GROUP)
        else:
            store = what.removeprefix("no ")
            self.stores[store].pop((scope, name), None)
            await self._remove(f"{cluster}{store}s".replace("bindings", "rolebindings"), scope, name)

    def check(self, index: RoleIndex) -> None:
        access = RoleBasedAccess(index)
        for user in USERS:
            for verb in ("get", "list"):
                for resource in RESOURCES:
                    for namespace in ("", *NAMESPACES):
                        decided = access.decide(user, Attributes(verb, resource=resource, namespace=namespace)).allowed
                        plain = plainly_allowed(*self.stores.values(), user, verb, resource, namespace)
                        assert decided == plain, (user, verb, resource, namespace)


@given(st.lists(WRITES, min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_the_index_follows_every_write(writes: list[tuple[str, str, str, Any]]) -> None:
    async def run() -> None:
        model = Model()
        await model.prepare()
        for write in writes:
            await model.write(*write)
            model.check(model.index)
        loaded = RoleIndex(model.objects)
        loaded.load()
        model.check(loaded)
        await model.database.close()

    asyncio.run(run())
