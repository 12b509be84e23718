"""The application as a whole: paths, verbs, identities, failures."""

from __future__ import annotations

from typing import Any

import pytest

from echelon.apiserver import AllowAll, ApiServer, Attributes, Database, Decision, StaticTokens, User, summarize
from echelon.apiserver.request import BODY_LIMIT
from echelon.apiserver.storage import Bucket, Closed, StorageError, StorageFull

from .conftest import Client

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
NOT_FOUND = b"404 page not found\n"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/version", 200),
        ("GET", "/livez", 200),
        ("GET", "/readyz?verbose", 200),
        ("GET", "/healthz/ping", 200),
        ("GET", "/healthz/nothing", 404),
        ("HEAD", "/livez", 200),
        ("GET", "/", 404),
        ("GET", "/nowhere", 404),
        ("POST", "/version", 404),
        ("GET", "/api", 200),
        ("GET", "/api/", 200),
        ("GET", "/api/v2", 404),
        ("GET", "/apis/none.example.com", 404),
        ("GET", "/apis/none.example.com/v1", 404),
        ("GET", "/apis/none.example.com/v1/things", 404),
        ("GET", "/apis/apps/v1/namespaces/default/things", 404),
        ("GET", "/apis/apps/v9/namespaces/default/deployments", 404),
        ("GET", "/api/v1/namespaces/default/nodes", 404),
        ("GET", "/api/v1/namespaces/default/configmaps/a/b/c", 404),
        ("GET", CONFIGMAPS + "/a/status", 404),
        ("GET", CONFIGMAPS + "/a/nothing", 404),
        ("POST", CONFIGMAPS + "/a", 405),
        ("PUT", CONFIGMAPS, 405),
        ("PATCH", CONFIGMAPS, 405),
        ("HEAD", CONFIGMAPS, 405),
        ("OPTIONS", CONFIGMAPS, 405),
        ("POST", "/api/v1/configmaps", 405),
        ("GET", "/api/v1/configmaps/a", 405),
        ("GET", "/openapi/v2", 404),
    ],
)
async def test_paths(api: Any, method: str, path: str, status: int) -> None:
    reply = await api.send(method, path)
    assert reply.status == status
    if method == "HEAD":
        assert reply.body == b""


async def test_the_group_decides_how_a_missing_resource_is_told(api: Any) -> None:
    assert (await api.get("/apis/none.example.com/v1/things")).body == NOT_FOUND
    assert (await api.get("/apis/apps/v1/namespaces/default/things")).json["reason"] == "NotFound"


async def test_encoded_paths(api: Any, config_map: Any) -> None:
    await api.post(CONFIGMAPS, config_map("a.b"))
    assert (await api.get(CONFIGMAPS + "/a%2Eb")).status == 200
    roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "system:a"}}
    await api.post(roles, role)
    assert (await api.get(roles + "/system%3Aa")).status == 200


async def test_mounted_below_a_prefix(api: Any) -> None:
    assert (await api.get("/clusters/hub/api/v1/namespaces/default", root_path="/clusters/hub")).status == 200
    assert (await api.get("/api/v1/namespaces/default", root_path="/clusters/hub")).status == 200


async def test_anonymous_requests(anonymous: Any) -> None:
    assert (await anonymous.get("/version")).status == 200
    assert (await anonymous.get("/readyz")).status == 200
    assert (await anonymous.get("/readyz/ping")).status == 403
    refused = await anonymous.get("/api/v1/namespaces")
    assert refused.json["message"] == (
        'namespaces is forbidden: User "system:anonymous" cannot list resource "namespaces" in API group "" '
        "at the cluster scope"
    )
    metrics = await anonymous.get("/metrics")
    assert (metrics.status, metrics.json["message"]) == (
        403,
        'forbidden: User "system:anonymous" cannot get path "/metrics"',
    )


async def test_unknown_tokens_are_refused(api: Any) -> None:
    reply = await api.get("/version", headers={"authorization": "Bearer wrong"})
    assert (reply.status, reply.json["reason"]) == (401, "Unauthorized")
    other_scheme = await api.get("/api/v1/namespaces", headers={"authorization": "Basic abc"})
    assert other_scheme.status == 403


class Recorder:
    """Allows everything but deletes and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[Attributes] = []

    def decide(self, user: User, attributes: Attributes) -> Decision:
        self.asked.append(attributes)
        return Decision(attributes.verb != "delete", "deletes are not liked")


@pytest.fixture
async def recorded() -> Any:
    database = Database.open(None, summarize=summarize)
    recorder = Recorder()
    server = ApiServer(database.keyspace("main"), authenticator=StaticTokens({}), authorizer=recorder)
    await server.start()
    yield server, recorder
    await server.close()
    await database.close()


async def test_what_the_authorizer_is_asked(recorded: Any, anonymous: Any) -> None:
    server, recorder = recorded
    client = type(anonymous)(server, token=None)
    await client.get(CONFIGMAPS + "?fieldSelector=metadata.name%3Da")
    await client.send("PATCH", "/apis/apps/v1/namespaces/n/deployments/d/scale")
    await client.get("/metrics")
    await client.get("/api/v1/namespaces/n")
    assert recorder.asked == [
        Attributes("list", "", "v1", "configmaps", namespace="default", name="a"),
        Attributes("patch", "apps", "v1", "deployments", "scale", "n", "d"),
        Attributes("get", path="/metrics"),
        Attributes("get", "", "v1", "namespaces", namespace="n", name="n"),
    ]
    refused = await client.delete(CONFIGMAPS + "/a")
    assert refused.json["message"].endswith('in the namespace "default": deletes are not liked')


async def test_large_bodies_are_refused(api: Any) -> None:
    reply = await api.post(CONFIGMAPS, b"x" * (BODY_LIMIT + 1))
    assert (reply.status, reply.json["reason"]) == (413, "RequestEntityTooLarge")


async def test_an_unforeseen_failure_is_told_without_its_cause(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(Bucket, "get", fail)
    reply = await api.get(CONFIGMAPS + "/a")
    assert (reply.status, reply.json["reason"]) == (500, "InternalError")
    assert b"secret detail" not in reply.body


@pytest.mark.parametrize(
    ("error", "status", "word"),
    [
        (StorageFull("no space"), 507, "no space"),
        (StorageError("odd"), 500, "log"),
        (Closed("gone"), 503, "shutting"),
    ],
)
async def test_failures_of_the_store(
    api: Any, config_map: Any, monkeypatch: pytest.MonkeyPatch, error: StorageError, status: int, word: str
) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(Bucket, "put", fail)
        reply = await api.post(CONFIGMAPS, config_map("a"))
    assert reply.status == status
    assert word in reply.json["message"]
    assert (await api.post(CONFIGMAPS, config_map("a"))).status == 201


async def test_warnings_of_deprecated_versions(api: Any, widget_definition: Any) -> None:
    widget_definition["spec"]["versions"][0] |= {"deprecated": True, "deprecationWarning": "use v1beta1"}
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    await api.post(definitions, widget_definition)
    await api.until(definitions, "widgets.example.com", lambda crd: len(crd["status"]["conditions"]) == 2)
    reply = await api.get("/apis/example.com/v1/widgets")
    assert reply.header("warning") == ['299 - "use v1beta1"']
    assert (await api.get("/apis/example.com/v1beta1/widgets")).header("warning") == []


async def test_the_version_can_be_set() -> None:
    database = Database.open(None, summarize=summarize)
    keyspace = database.keyspace("main")
    with pytest.raises(ValueError, match="is not a Kubernetes version"):
        ApiServer(keyspace, git_version="latest")
    assert ApiServer(keyspace, git_version="v1.34.2", authorizer=AllowAll())
    await database.close()


async def test_the_version_may_change_while_it_is_served() -> None:
    version = "v1.30.0"
    database = Database.open(None, summarize=summarize)
    server = ApiServer(database.keyspace("main"), authorizer=AllowAll(), git_version=lambda: version)
    for version in ("v1.30.0", "v1.31.1"):
        assert (await Client(server, None).get("/version")).json["gitVersion"] == version
    await database.close()
