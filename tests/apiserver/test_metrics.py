"""Metrics and health."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from echelon.apiserver import MASTERS, ApiServer, Database, StaticTokens, User, summarize

from .conftest import TOKEN, Client

MAPS = "/api/v1/namespaces/default/configmaps"
ORDER = ("verb", "group", "version", "resource", "subresource", "why", "code", "le")
DOCS = Path(__file__).parents[2] / "docs" / "api-server.md"


async def samples(api: Client) -> dict[tuple[str, ...], float]:
    """The value of each sample, by its name and the values of its labels."""
    reply = await api.get("/metrics")
    assert reply.status == 200
    families = text_string_to_metric_families(reply.body.decode())
    return {
        (sample.name, *(sample.labels[name] for name in ORDER if name in sample.labels)): sample.value
        for family in families
        for sample in family.samples
    }


async def test_requests_are_counted_by_what_they_are_about(api: Client, config_map: Any) -> None:
    await api.post(MAPS, config_map("a"))
    for name in ("a", "a", "no"):
        await api.get(f"{MAPS}/{name}")
    await api.send("FOO", MAPS)
    await api.get("/nowhere/at/all")
    found = await samples(api)
    core = ("", "v1", "configmaps", "")
    assert found["apiserver_request_total", "create", *core, "201"] == 1
    assert found["apiserver_request_total", "get", *core, "200"] == 2
    assert found["apiserver_request_total", "get", *core, "404"] == 1
    assert found["apiserver_request_total", "other", "", "", "", "", "404"] >= 1
    assert found["apiserver_request_duration_seconds_count", "get", *core] == 3
    assert found["apiserver_request_duration_seconds_bucket", "get", *core, "+Inf"] == 3
    assert found["apiserver_request_duration_seconds_sum", "get", *core] > 0


async def test_names_and_paths_of_clients_are_no_labels(api: Client) -> None:
    counts = []
    for number in range(20):
        await api.get(f"{MAPS}/name-{number}")
        await api.get(f"/apis/group-{number}/v1/things")
        await api.get(f"/apis/apps/v1/namespaces/default/deployments/a/sub-{number}")
        await api.send(f"VERB{number}", MAPS)
        counts.append(len(await samples(api)))
    assert counts[1:] == counts[1:2] * 19


async def test_watches_and_refusals_are_counted(api: Client) -> None:
    async with api.watch(MAPS + "?watch=1") as stream:
        await stream.head()
        assert (await samples(api))["apiserver_longrunning_requests", "configmaps"] == 1
    found = await samples(api)
    assert found["apiserver_longrunning_requests", "configmaps"] == 0
    assert found["apiserver_request_total", "watch", "", "v1", "configmaps", "", "200"] == 1
    assert ("apiserver_request_duration_seconds_count", "watch", "", "v1", "configmaps", "") not in found
    assert found["apiserver_refused_requests_total", "too_many_requests"] == 0


@pytest.fixture
async def on_disk(tmp_path: Path) -> Any:
    database = Database.open(tmp_path / "store.db", summarize=summarize)
    server = ApiServer(database.keyspace("main"), authenticator=StaticTokens({TOKEN: User("admin", (MASTERS,))}))
    await server.start()
    yield server, database
    await server.close()
    await database.close()


async def test_the_store_is_told(on_disk: Any, config_map: Any) -> None:
    api = Client(on_disk[0])
    await api.post(MAPS, config_map("a"))
    found = await samples(api)
    assert found["apiserver_storage_objects", "configmaps"] >= 1
    assert found["apiserver_watch_ring_events", "configmaps"] >= 1
    assert found["apiserver_watch_ring_bytes", "configmaps"] > 100
    assert found["apiserver_storage_rows",] == found["apiserver_storage_revision",]
    assert found["apiserver_storage_size_bytes",] > found["apiserver_storage_wal_bytes",] > 1000
    assert found["apiserver_storage_batch_writes_sum",] == found["apiserver_storage_revision",]
    assert found["apiserver_storage_batch_writes_count",] <= found["apiserver_storage_revision",]


async def test_every_metric_is_documented(api: Client) -> None:
    reply = await api.get("/metrics")
    text = DOCS.read_text()
    for family in text_string_to_metric_families(reply.body.decode()):
        name = family.name + ("_total" if family.type == "counter" else "")
        assert f"`{name}`" in text


async def test_a_server_that_cannot_store_is_alive_but_not_ready(on_disk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server, database = on_disk
    api = Client(server)
    assert (await api.get("/readyz")).body == b"ok"
    verbose = (await api.get("/readyz?verbose")).body.decode()
    assert verbose == "[+]ping ok\n[+]storage ok\n[+]lifecycle ok\n[+]shutdown ok\nreadyz check passed\n"
    await database.close()
    reply = await api.get("/readyz?verbose")
    assert reply.status == 500
    assert "[-]storage failed: reason withheld\n" in reply.body.decode()
    assert (await api.get("/readyz/storage")).status == 500
    assert (await api.get("/readyz/shutdown")).status == 200
    assert (await api.get("/livez?verbose")).body == b"[+]ping ok\nlivez check passed\n"


async def test_a_stopping_server_takes_nothing_new_on(server: ApiServer, api: Client, config_map: Any) -> None:
    async with api.watch(MAPS + "?watch=1&labelSelector=none") as stream:
        await stream.head()
        server.end_streams()
        assert await stream.event() is None
    for reply in (await api.get(MAPS), await api.post(MAPS, config_map("a")), await api.get(MAPS + "?watch=1")):
        assert (reply.status, reply.json["reason"]) == (503, "ServiceUnavailable")
        assert reply.header("retry-after") == ["1"]
    assert (await api.get("/livez")).status == 200
    assert (await api.get("/readyz")).status == 500
    assert (await api.get("/readyz/shutdown")).status == 500
