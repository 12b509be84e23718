"""The default roles and bindings: made, repaired, gathered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from echelon.apiserver import MASTERS, ApiServer, Attributes, Database, StaticTokens, User, summarize
from echelon.apiserver.access.policy import AGGREGATE_TO, AUTO_UPDATE, default_bindings, default_roles
from echelon.apiserver.app import default_definitions
from echelon.apiserver.clock import SystemClock

RBAC = "rbac.authorization.k8s.io"
ROLES = f"/apis/{RBAC}/v1/clusterroles"
BINDINGS = f"/apis/{RBAC}/v1/clusterrolebindings"

Restarted = Callable[[], AbstractAsyncContextManager[Any]]


@pytest.fixture
async def again(api: Any) -> AsyncIterator[Restarted]:
    """Starts a server, as often as wanted, on the same data."""
    database = Database.open(None, summarize=summarize)

    @asynccontextmanager
    async def start() -> AsyncIterator[Any]:
        authenticator = StaticTokens({"secret": User("admin", (MASTERS,))})
        server = ApiServer(database.keyspace("main"), authenticator=authenticator)
        await server.start()
        yield type(api)(server, "secret")
        await server.close()

    yield start
    await database.close()


async def test_they_are_there(api: Any) -> None:
    roles = {item["metadata"]["name"]: item for item in (await api.get(ROLES)).json["items"]}
    assert set(roles) == {role["metadata"]["name"] for role in default_roles()}
    assert roles["cluster-admin"]["metadata"]["labels"] == {"kubernetes.io/bootstrapping": "rbac-defaults"}
    assert roles["cluster-admin"]["metadata"]["annotations"][AUTO_UPDATE] == "true"
    bindings = {item["metadata"]["name"] for item in (await api.get(BINDINGS)).json["items"]}
    assert bindings == {binding["metadata"]["name"] for binding in default_bindings()}


async def test_a_start_on_what_is_there_writes_nothing(again: Restarted) -> None:
    async with again() as api:
        before = {item["metadata"]["name"]: item for item in (await api.get(ROLES)).json["items"]}
    async with again() as api:
        assert {item["metadata"]["name"]: item for item in (await api.get(ROLES)).json["items"]} == before


async def test_what_was_lost_comes_back_and_what_was_added_stays(again: Restarted) -> None:
    added = {"verbs": ["get"], "apiGroups": ["example.com"], "resources": ["boats"]}
    eve = {"kind": "User", "name": "eve", "apiGroup": RBAC}
    async with again() as api:
        await api.patch(f"{ROLES}/system:basic-user", {"rules": [added], "metadata": {"labels": None}})
        await api.patch(f"{BINDINGS}/system:discovery", {"subjects": [eve]})
        await api.delete(f"{ROLES}/view")
    async with again() as api:
        role = (await api.get(f"{ROLES}/system:basic-user")).json
        assert role["rules"][0] == added
        assert {"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"]} in (
            role["rules"]
        )
        assert role["metadata"]["labels"] == {"kubernetes.io/bootstrapping": "rbac-defaults"}
        subjects = (await api.get(f"{BINDINGS}/system:discovery")).json["subjects"]
        assert [subject["name"] for subject in subjects] == ["eve", "system:authenticated"]
        assert (await api.get(f"{ROLES}/view")).json["rules"]


async def test_who_does_not_want_repairs_gets_none(again: Restarted) -> None:
    async with again() as api:
        change = {"rules": None, "metadata": {"annotations": {AUTO_UPDATE: "false"}}}
        await api.patch(f"{ROLES}/system:basic-user", change)
    async with again() as api:
        assert not (await api.get(f"{ROLES}/system:basic-user")).json.get("rules")


async def test_a_default_binding_that_leads_elsewhere_is_made_anew(again: Restarted) -> None:
    async with again() as api:
        binding = (await api.get(f"{BINDINGS}/system:discovery")).json
        await api.delete(f"{BINDINGS}/system:discovery")
        binding["roleRef"]["name"] = "view"
        del binding["metadata"]["resourceVersion"]
        assert (await api.post(BINDINGS, binding)).status == 201
    async with again() as api:
        assert (await api.get(f"{BINDINGS}/system:discovery")).json["roleRef"]["name"] == "system:discovery"


async def test_a_server_without_roles_starts(api: Any) -> None:
    definitions = [found for found in default_definitions(SystemClock()) if found.group != RBAC]
    database = Database.open(None, summarize=summarize)
    server = ApiServer(database.keyspace("main"), definitions=definitions)
    await server.start()
    assert (await type(api)(server, None).get("/version")).status == 403
    await server.close()
    await database.close()


async def test_roles_are_gathered_by_label(api: Any, rights: Any, person: Any) -> None:
    boats = rights.rule("get,list", "boats", "example.com")
    role = rights.role("boats", boats)
    role["metadata"]["labels"] = {f"{AGGREGATE_TO}view": "true"}
    await rights.make(role, rights.binding("team", "admin", "User:eve", namespace="default"))
    # view goes into edit, and edit into admin
    for name in ("view", "edit", "admin"):
        await api.until(ROLES, name, lambda found: boats in found["rules"])
    await api.patch(f"{ROLES}/boats", {"metadata": {"labels": None}})
    for name in ("view", "edit", "admin"):
        await api.until(ROLES, name, lambda found: boats not in found["rules"])


async def test_a_role_that_gathers_nothing_has_no_rules(api: Any, rights: Any) -> None:
    gather = {"clusterRoleSelectors": [{"matchLabels": {"team": "a"}}]}
    await rights.make(rights.role("all", rights.rule("get", "pods"), aggregationRule=gather))
    await api.until(ROLES, "all", lambda found: not found["rules"])


async def test_several_selectors_gather_in_their_order(api: Any, rights: Any) -> None:
    for name in ("b", "a", "c"):
        role = rights.role(name, rights.rule("get", name))
        role["metadata"]["labels"] = {"part": name}
        await rights.make(role)
    selectors = [
        {"matchExpressions": [{"key": "part", "operator": "In", "values": ["c", "b"]}]},
        {"matchLabels": {"part": "a"}},
    ]
    await rights.make(rights.role("all", aggregationRule={"clusterRoleSelectors": selectors}))
    gathered = await api.until(ROLES, "all", lambda found: len(found["rules"] or ()) == 3)
    assert [rule["resources"] for rule in gathered["rules"]] == [["b"], ["c"], ["a"]]


@pytest.mark.parametrize(
    ("selectors", "said"),
    [
        ([], "Required value: at least one clusterRoleSelector required if aggregationRule is non-nil"),
        ([{"matchExpressions": [{"key": "a", "operator": "Like"}]}], "not a valid selector operator"),
        ([{"matchLabels": {"no/good/key": "x"}}], "aggregationRule.clusterRoleSelectors[0].matchLabels"),
    ],
)
async def test_bad_selectors_are_refused(rights: Any, api: Any, selectors: Any, said: str) -> None:
    reply = await rights.make(rights.role("all", aggregationRule={"clusterRoleSelectors": selectors}), by=api)
    assert reply.status == 422
    assert said in reply.json["message"]


@pytest.mark.parametrize(
    ("role", "verb", "resource", "allowed"),
    [
        ("view", "list", "deployments.apps", True),
        ("view", "get", "secrets", False),
        ("view", "create", "pods", False),
        ("edit", "create", "pods", True),
        ("edit", "get", "secrets", True),
        ("edit", "create", "serviceaccounts/token", True),
        ("edit", "create", "roles.rbac.authorization.k8s.io", False),
        ("admin", "create", "roles.rbac.authorization.k8s.io", True),
        ("admin", "delete", "configmaps", True),
        ("admin", "update", "resourcequotas", False),
        ("admin", "create", "nodes", False),
        ("cluster-admin", "create", "nodes", True),
    ],
)
async def test_what_the_user_roles_give(
    server: Any, rights: Any, role: str, verb: str, resource: str, allowed: bool
) -> None:
    await rights.make(rights.binding("given", role, "User:eve", namespace="default"))
    plural, _, group = resource.partition(".")
    plural, _, subresource = plural.partition("/")
    attributes = Attributes(verb, group, "v1", plural, subresource, "default")
    assert server.authorizer.decide(User("eve"), attributes).allowed is allowed
