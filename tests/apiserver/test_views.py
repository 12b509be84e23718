"""Events of the core group and of events.k8s.io are the same objects in two forms."""

from __future__ import annotations

from typing import Any

import pytest

from echelon.apiserver import ApiServer

from .conftest import Client

CORE = "/api/v1/namespaces/default/events"
NEW = "/apis/events.k8s.io/v1/namespaces/default/events"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def new_event(name: str, regarding: str = "a", **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": "default", **metadata},
        "regarding": {"kind": "ConfigMap", "name": regarding, "namespace": "default"},
        "note": "all is well",
        "reason": "Tested",
        "type": "Normal",
        "action": "Test",
        "eventTime": "2026-01-31T08:00:00.000000Z",
        "reportingController": "example.com/tester",
        "reportingInstance": "tester-1",
    }


def core_event(name: str, involved: str = "b") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": "default"},
        "involvedObject": {"kind": "ConfigMap", "name": involved, "namespace": "default"},
        "message": "hm",
        "reason": "Doubted",
        "type": "Warning",
        "count": 2,
    }


@pytest.fixture
async def events(api: Client) -> None:
    created = await api.post(NEW, new_event("n"))
    assert (created.status, created.json["apiVersion"], created.json["note"]) == (
        201,
        "events.k8s.io/v1",
        "all is well",
    )
    assert (await api.post(CORE, core_event("c"))).status == 201


@pytest.mark.usefixtures("events")
async def test_each_is_read_in_both_forms(api: Client) -> None:
    old = (await api.get(f"{CORE}/n")).json
    assert list(old)[:3] == ["apiVersion", "kind", "metadata"]
    assert (old["apiVersion"], old["message"], old["involvedObject"]["name"]) == ("v1", "all is well", "a")
    new = (await api.get(f"{NEW}/c")).json
    assert (new["apiVersion"], new["note"], new["deprecatedCount"]) == ("events.k8s.io/v1", "hm", 2)
    assert [item["message"] for item in (await api.get(CORE)).json["items"]] == ["hm", "all is well"]
    listed = (await api.get("/apis/events.k8s.io/v1/events")).json
    assert (listed["apiVersion"], [item["note"] for item in listed["items"]]) == (
        "events.k8s.io/v1",
        ["hm", "all is well"],
    )
    tables = [(await api.get(path, accept=TABLE)).json["rows"] for path in (CORE, NEW)]
    assert [row["cells"] for row in tables[0]] == [row["cells"] for row in tables[1]]
    assert (await api.post(CORE, core_event("n"))).status == 409


@pytest.mark.usefixtures("events")
async def test_field_selectors_name_the_fields_of_their_form(api: Client) -> None:
    async def names(path: str) -> list[str]:
        reply = await api.get(path)
        assert reply.status == 200, reply
        return [item["metadata"]["name"] for item in reply.json["items"]]

    assert await names(f"{CORE}?fieldSelector=involvedObject.name%3Da") == ["n"]
    assert await names(f"{NEW}?fieldSelector=regarding.name%3Db,type%3DWarning") == ["c"]
    assert await names(f"{NEW}?fieldSelector=reportingController%3Dexample.com/tester") == ["n"]
    assert (await api.get(f"{NEW}?fieldSelector=involvedObject.name%3Da")).status == 400


@pytest.mark.usefixtures("events")
async def test_a_watch_sees_both_in_its_form(api: Client) -> None:
    async with api.watch(f"{NEW}?watch=1") as new, api.watch(f"{CORE}?watch=1") as old:
        await new.head()
        await old.head()
        assert [event["object"]["note"] for event in [await new.event(), await new.event()]] == ["hm", "all is well"]
        assert [event["object"]["message"] for event in [await old.event(), await old.event()]] == ["hm", "all is well"]
        await api.patch(f"{CORE}/n", {"message": "changed"})
        seen = await new.event()
        assert (seen["type"], seen["object"]["apiVersion"], seen["object"]["note"]) == (
            "MODIFIED",
            "events.k8s.io/v1",
            "changed",
        )
        await api.delete(f"{NEW}/c")
        assert [(await old.event())["type"], (await old.event())["type"]] == ["MODIFIED", "DELETED"]


@pytest.mark.usefixtures("events")
async def test_owners_of_fields_are_known_in_both_forms(api: Client) -> None:
    await api.patch(f"{CORE}/n?fieldManager=human", {"message": "changed"})
    entries = (await api.get(f"{NEW}/n")).json["metadata"]["managedFields"]
    fields = {(entry["apiVersion"], entry["manager"]): entry["fieldsV1"] for entry in entries}
    assert fields.keys() == {("events.k8s.io/v1", "unknown"), ("v1", "human")}
    assert "f:note" not in fields["events.k8s.io/v1", "unknown"]
    assert fields["v1", "human"] == {"f:message": {}}
    applied = {"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "n"}, "note": "mine"}
    refused = await api.patch(f"{NEW}/n?fieldManager=other", applied, "apply-patch+yaml")
    assert (refused.status, refused.json["details"]["causes"][0]["field"]) == (409, ".message")


async def test_an_event_goes_with_its_owner_and_its_namespace(api: Client, server: ApiServer, config_map: Any) -> None:
    owner = (await api.post("/api/v1/namespaces/default/configmaps", config_map("a"))).json
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": owner["metadata"]["uid"]}
    assert (await api.post(NEW, new_event("owned", ownerReferences=[reference]))).status == 201
    await api.delete("/api/v1/namespaces/default/configmaps/a")
    await api.until_gone(CORE, "owned")
    await api.post("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
    event = new_event("e") | {"metadata": {"name": "e"}, "regarding": {"kind": "Pod", "name": "p", "namespace": "team"}}
    assert (await api.post("/apis/events.k8s.io/v1/namespaces/team/events", event)).status == 201
    await api.delete("/api/v1/namespaces/team")
    await api.until_gone("/api/v1/namespaces", "team")
