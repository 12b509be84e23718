"""Namespaces in and out, and what is put into them."""

from __future__ import annotations

from typing import Any

import pytest

from echelon.apiserver import MASTERS, ApiServer, Database, Provisioning, StaticTokens, User, summarize

NAMESPACES = "/api/v1/namespaces"


async def create(api: Any, name: str) -> Any:
    reply = await api.post(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    assert reply.status == 201, reply
    return reply.json


async def test_every_cluster_has_some(api: Any) -> None:
    items = (await api.get(NAMESPACES)).json["items"]
    names = [item["metadata"]["name"] for item in items]
    assert names == ["default", "kube-node-lease", "kube-public", "kube-system"]


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
async def test_some_stay(api: Any, name: str) -> None:
    reply = await api.delete(f"{NAMESPACES}/{name}")
    assert (reply.status, reply.json["reason"]) == (403, "Forbidden")
    assert reply.json["message"].endswith("this namespace may not be deleted")


async def test_a_new_one_is_active_and_labelled(api: Any) -> None:
    namespace = await create(api, "a")
    assert namespace["status"] == {"phase": "Active"}
    assert namespace["spec"] == {"finalizers": ["kubernetes"]}
    assert namespace["metadata"]["labels"] == {"kubernetes.io/metadata.name": "a"}


async def test_an_empty_one_goes(api: Any) -> None:
    await create(api, "a")
    deleted = (await api.delete(f"{NAMESPACES}/a")).json
    assert deleted["status"]["phase"] == "Terminating"
    await api.until_gone(NAMESPACES, "a")


async def test_content_goes_first(api: Any, config_map: Any, widgets: str) -> None:
    await create(api, "a")
    inside = f"{NAMESPACES}/a/configmaps"
    await api.post(inside, config_map("held", finalizers=["example.com/hold"]))
    await api.post(inside, config_map("free"))
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}
    await api.post("/apis/example.com/v1/namespaces/a/widgets", widget)
    await api.delete(f"{NAMESPACES}/a")
    await api.until(inside, "held", lambda obj: "deletionTimestamp" in obj["metadata"])
    refused = await api.post(inside, config_map("late"))
    assert refused.status == 403
    assert refused.json["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    await api.until_gone(inside, "free")
    waiting = await api.until(
        NAMESPACES, "a", lambda obj: "configmaps has 1 resource" in str(obj["status"].get("conditions"))
    )
    messages = {condition["type"]: condition["message"] for condition in waiting["status"]["conditions"]}
    assert messages["NamespaceFinalizersRemaining"].endswith("example.com/hold in 1 resource instances")
    await api.patch(f"{inside}/held", {"metadata": {"finalizers": None}})
    await api.until_gone(NAMESPACES, "a")


async def test_finalize_lets_it_go_by_hand(api: Any, server: Any) -> None:
    await create(api, "a")
    await server.lifecycle.close()
    namespace = (await api.delete(f"{NAMESPACES}/a")).json
    namespace["spec"] = {}
    assert (await api.put(f"{NAMESPACES}/a/finalize", namespace)).status == 200
    assert (await api.get(f"{NAMESPACES}/a")).status == 404


async def test_a_default_service_account_is_there_again_when_deleted(api: Any) -> None:
    accounts = f"{NAMESPACES}/default/serviceaccounts"
    first = await api.until(accounts, "default", lambda obj: True)
    await api.delete(f"{accounts}/default")
    await api.until(accounts, "default", lambda obj: obj["metadata"]["uid"] != first["metadata"]["uid"])


async def test_the_root_certificate_is_in_every_namespace() -> None:
    database = Database.open(None, summarize=summarize)
    authenticator = StaticTokens({"t": User("admin", (MASTERS,))})
    provisioning = Provisioning(namespaces=("default",), root_certificate="PEM", default_service_account=False)
    server = ApiServer(database.keyspace("main"), authenticator=authenticator, provisioning=provisioning)
    await server.start()
    bucket = server.objects.bucket(server.registry.get("", "configmaps"))  # type: ignore[arg-type]
    watcher = bucket.watch(0)
    async for event in watcher:
        assert event.record.key.name == "kube-root-ca.crt"
        assert b'"ca.crt":"PEM"' in event.record.value
        break
    watcher.close()
    await server.close()
    await database.close()


async def test_a_restart_goes_on_with_what_was_being_emptied(
    api: Any, server: Any, config_map: Any, clock: Any
) -> None:
    await create(api, "a")
    await api.post(f"{NAMESPACES}/a/configmaps", config_map("inside"))
    await server.lifecycle.close()
    await api.delete(f"{NAMESPACES}/a")
    again = ApiServer(server.objects.keyspace, authenticator=server.authenticator, clock=clock)
    await again.start()
    await type(api)(again).until_gone(NAMESPACES, "a")
    await again.close()
