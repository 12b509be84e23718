"""What the audit log says of a write, and what it never says."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from echelon.apiserver import MASTERS, ApiServer, AuditLog, Database, StaticTokens, User, summarize

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
SECRET = "a-very-secret-thing"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


@pytest.fixture
async def server(path: Path, clock: Any) -> AsyncIterator[ApiServer]:
    database = Database.open(None, summarize=summarize)
    audit = AuditLog(path)
    authenticator = StaticTokens({"secret": User("admin", (MASTERS,)), SECRET: User("eve")})
    server = ApiServer(database.keyspace("hub"), authenticator=authenticator, audit=audit, clock=clock)
    await server.start()
    yield server
    await server.close()
    await database.close()
    audit.close()


@pytest.fixture
def lines(server: ApiServer, path: Path) -> Callable[[], list[dict[str, Any]]]:
    """Ends the log; its lines."""

    def read() -> list[dict[str, Any]]:
        assert server._auditor is not None
        server._auditor._log.close()
        return [json.loads(line) for line in path.read_text().splitlines()]

    return read


async def test_a_line_a_write(api: Any, config_map: Any, lines: Any) -> None:
    await api.post(CONFIGMAPS, config_map("a"), headers={"user-agent": "kubectl/v1.33", "audit-id": "request-1"})
    await api.patch(f"{CONFIGMAPS}/a?dryRun=All", {"data": {"k": "w"}})
    await api.put(f"{CONFIGMAPS}/b", config_map("b"))
    await api.delete(f"{CONFIGMAPS}/a")
    await api.delete(CONFIGMAPS)
    await api.get(CONFIGMAPS)
    first, patched, missing, deleted, collection = lines()
    assert first.pop("latencySeconds") >= 0
    assert first == {
        "time": "2026-01-31T08:00:00Z",
        "requestId": "request-1",
        "cluster": "hub",
        "user": "admin",
        "verb": "create",
        "resource": "configmaps",
        "namespace": "default",
        "name": "a",
        "code": 201,
        "userAgent": "kubectl/v1.33",
    }
    assert (patched["verb"], patched["dryRun"], patched["code"]) == ("patch", True, 200)
    assert (missing["verb"], missing["name"], missing["code"]) == ("update", "b", 404)
    assert (deleted["verb"], deleted["name"]) == ("delete", "a")
    assert collection["verb"] == "deletecollection"
    assert "name" not in collection


async def test_groups_and_subresources(api: Any, lines: Any) -> None:
    await api.patch("/apis/apps/v1/namespaces/default/deployments/x/scale", {"spec": {"replicas": 3}})
    (line,) = lines()
    assert (line["group"], line["resource"], line["subresource"]) == ("apps", "deployments", "scale")


async def test_generated_names_and_refusals_are_named(api: Any, config_map: Any, lines: Any) -> None:
    created = await api.post(CONFIGMAPS, {**config_map("x"), "metadata": {"generateName": "a-"}})
    await api.post(CONFIGMAPS, {**config_map(created.json["metadata"]["name"])})
    eve = type(api)(api.app, token=SECRET)
    await eve.delete(f"{CONFIGMAPS}/a")
    await type(api)(api.app, token="wrong").delete(f"{CONFIGMAPS}/a")
    generated, taken, forbidden, unknown = lines()
    assert generated["name"] == taken["name"] == created.json["metadata"]["name"]
    assert (taken["code"], forbidden["code"], forbidden["user"]) == (409, 403, "eve")
    assert (unknown["code"], unknown["user"], unknown["verb"]) == (401, "", "delete")


async def test_who_acts_as_whom(api: Any, person: Any, rights: Any, config_map: Any, lines: Any) -> None:
    await rights.give("adam", rights.rule("create", "configmaps"), namespace="default")
    await person("adam").post(CONFIGMAPS, config_map("a"))
    await api.post(CONFIGMAPS, config_map("b"), headers={"impersonate-group": "x"})
    acted, refused = lines()[-2:]
    assert (acted["user"], acted["impersonatedUser"], acted["code"]) == ("admin", "adam", 201)
    assert (refused["user"], refused["code"]) == ("admin", 400)


async def test_where_from(server: ApiServer, api: Any, config_map: Any, lines: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["client"] = ("192.0.2.7", 4711)
        await server(scope, receive, send)

    await type(api)(app).post(CONFIGMAPS, config_map("a"))
    assert lines()[0]["source"] == "192.0.2.7"


async def test_the_answer_bears_the_id(api: Any, config_map: Any, lines: Any) -> None:
    reply = await api.post(CONFIGMAPS, config_map("a"))
    unusable = await api.post(CONFIGMAPS, config_map("b"), headers={"audit-id": 'x"y'})
    first, second = lines()
    assert reply.header("audit-id") == [first["requestId"]]
    assert unusable.header("audit-id") == [second["requestId"]] != ['x"y']


async def test_reviews_are_no_writes_but_tokens_are(api: Any, accounts: Any, lines: Any) -> None:
    await accounts.make("robot")
    await accounts.whoami(await accounts.token("robot"))
    account, token = lines()
    assert (account["resource"], token["resource"], token["subresource"]) == (
        "serviceaccounts",
        "serviceaccounts",
        "token",
    )
    assert token["name"] == "robot"


async def test_no_secret_is_in_it(api: Any, accounts: Any, lines: Any) -> None:
    await accounts.make("robot")
    token = await accounts.token("robot")
    hidden = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": SECRET}}
    for client in (api, type(api)(api.app, token=SECRET), type(api)(api.app, token=token)):
        await client.post("/api/v1/namespaces/default/secrets", hidden)
        await client.patch("/api/v1/namespaces/default/secrets/s", {"stringData": {"password": SECRET}})
    found = lines()
    assert len(found) == 8
    text = json.dumps(found)
    for secret in (SECRET, base64.b64encode(SECRET.encode()).decode(), token, token.split(".")[2]):
        assert secret not in text
