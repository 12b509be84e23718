"""CustomResourceDefinitions: served, changed, cleaned up after."""

from __future__ import annotations

import asyncio
from copy import deepcopy
from typing import Any

from echelon.apiserver import ApiServer

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
NAME = "widgets.example.com"
WIDGET = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}


async def served_anew(server: ApiServer, generation: int) -> None:
    """Wait until the registry has changed; no event tells of it."""
    async with asyncio.timeout(5):
        while server.registry.generation == generation:  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_an_established_definition_is_served(api: Any, widgets: str) -> None:
    crd = (await api.get(f"{DEFINITIONS}/{NAME}")).json
    assert crd["status"]["acceptedNames"]["plural"] == "widgets"
    assert crd["status"]["storedVersions"] == ["v1beta1"]
    assert (await api.post(widgets, WIDGET)).status == 201
    resources = (await api.get("/apis/example.com/v1")).json["resources"]
    assert [resource["name"] for resource in resources] == ["widgets", "widgets/scale", "widgets/status"]


async def test_a_changed_definition_is_served_anew(api: Any, widgets: str, server: Any) -> None:
    before = server.registry.generation
    crd = (await api.get(f"{DEFINITIONS}/{NAME}")).json
    versions = deepcopy(crd["spec"]["versions"])
    for version in versions:
        version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["size"]["default"] = 7
    await api.patch(f"{DEFINITIONS}/{NAME}", {"spec": {"versions": versions}})
    await served_anew(server, before)
    created = await api.post(widgets, {**WIDGET, "spec": {}})
    assert created.json["spec"] == {"size": 7}


async def test_objects_stored_at_a_former_version_are_served_all_the_same(api: Any, widgets: str, server: Any) -> None:
    await api.post(widgets, WIDGET)
    generation = server.registry.generation
    crd = (await api.get(f"{DEFINITIONS}/{NAME}")).json
    for version in crd["spec"]["versions"]:
        version["storage"] = not version["storage"]
    async with api.watch("/apis/example.com/v1beta1/widgets?watch=1") as stream:
        await stream.head()
        await api.put(f"{DEFINITIONS}/{NAME}", crd)
        await served_anew(server, generation)
        for version in ("v1", "v1beta1"):
            path = f"/apis/example.com/{version}/namespaces/default/widgets"
            assert (await api.get(f"{path}/w")).json["apiVersion"] == f"example.com/{version}"
            assert (await api.get(path)).json["items"][0]["apiVersion"] == f"example.com/{version}"
        await api.patch(f"{widgets}/w", {"spec": {"size": 2}})
        assert [(await stream.event())["object"]["apiVersion"] for _ in range(2)] == ["example.com/v1beta1"] * 2
    stored = server.objects.bucket(server.registry.get("example.com", "widgets")).get("default", "w").value
    assert stored.startswith(b'{"apiVersion":"example.com/v1",')


async def test_a_conflict_of_names_waits(api: Any, widgets: str, widget_definition: dict[str, Any]) -> None:
    other = deepcopy(widget_definition)
    other["metadata"]["name"] = "gadgets.example.com"
    other["spec"]["names"] = {"plural": "gadgets", "kind": "Widget"}
    assert (await api.post(DEFINITIONS, other)).status == 201
    waiting = await api.until(DEFINITIONS, "gadgets.example.com", lambda crd: crd.get("status", {}).get("conditions"))
    accepted = {condition["type"]: condition["status"] for condition in waiting["status"]["conditions"]}
    assert accepted == {"NamesAccepted": "False", "Established": "False"}
    assert (await api.get("/apis/example.com/v1/namespaces/default/gadgets")).status == 404
    await api.delete(f"{DEFINITIONS}/{NAME}")
    await api.until(
        DEFINITIONS,
        "gadgets.example.com",
        lambda crd: all(condition["status"] == "True" for condition in crd["status"]["conditions"]),
    )
    assert (await api.get("/apis/example.com/v1/namespaces/default/gadgets")).status == 200


async def test_a_deleted_definition_goes_after_its_objects(api: Any, widgets: str) -> None:
    held = {**WIDGET, "metadata": {"name": "held", "finalizers": ["example.com/hold"]}}
    await api.post(widgets, held)
    await api.post(widgets, WIDGET)
    deleted = await api.delete(f"{DEFINITIONS}/{NAME}")
    assert deleted.json["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    await api.until(widgets, "held", lambda obj: "deletionTimestamp" in obj["metadata"])
    await api.patch(f"{widgets}/held", {"metadata": {"finalizers": None}})
    await api.until_gone(DEFINITIONS, NAME)
    assert (await api.get(widgets)).body == b"404 page not found\n"


async def test_stored_definitions_are_served_from_the_start(api: Any, widgets: str, server: Any, clock: Any) -> None:
    await api.post(widgets, WIDGET)
    await server.lifecycle.close()
    again = ApiServer(server.objects.keyspace, authenticator=server.authenticator, clock=clock)
    await again.start()
    assert (await type(api)(again).get(f"{widgets}/w")).status == 200
    await again.close()
