"""Custom resources as clients meet them: selectable fields, versions, rules, owners of list items, bad definitions."""

from __future__ import annotations

from typing import Any

import pytest

from echelon.apiserver import ApiServer

from ..conftest import DEFINITIONS, Client, _is_established
from ..lifecycle.test_custom_resources import served_anew

BOATS = "/apis/example.com/v1/namespaces/default/boats"


def definition(**spec: Any) -> dict[str, Any]:
    """Boats with a crew (a map), flags (a set), a course (atomic), and rules."""
    schema = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "x-kubernetes-validations": [
                    {"rule": "self.length == oldSelf.length", "messageExpression": "'stays ' + string(oldSelf.length)"},
                    {
                        "rule": "!has(self.course) || self.course.all(x, self.course.all(y, self.course.all(z, true)))",
                        "message": "unreachable",
                    },
                ],
                "properties": {
                    "length": {"type": "integer", "default": 7},
                    "port": {"type": "string"},
                    "crew": {
                        "type": "array",
                        "maxItems": 50,
                        "items": {
                            "type": "object",
                            "required": ["name"],
                            "properties": {"name": {"type": "string"}, "rank": {"type": "string"}},
                        },
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["name"],
                    },
                    "flags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
                    "course": {"type": "array", "items": {"type": "integer"}},
                },
            },
            "status": {"type": "object", "properties": {"at": {"type": "string"}, "wind": {"type": "integer"}}},
        },
    }
    version = {
        "served": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
        "selectableFields": [{"jsonPath": ".spec.port"}, {"jsonPath": ".spec.length"}],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "boats.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "boats", "kind": "Boat"},
            "versions": [{**version, "name": "v1", "storage": True}, {**version, "name": "v2", "storage": False}],
            **spec,
        },
    }


def boat(name: str, version: str = "v1", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": f"example.com/{version}", "kind": "Boat", "metadata": {"name": name}, "spec": spec}


@pytest.fixture
async def boats(api: Client) -> str:
    assert (await api.post(DEFINITIONS, definition())).status == 201
    await api.until(DEFINITIONS, "boats.example.com", _is_established)
    return BOATS


async def test_selectable_fields_select_in_lists_and_watches(api: Client, boats: str) -> None:
    await api.post(boats, boat("a", port="kiel"))
    await api.post(boats, boat("b", port="bergen", length=9))
    listed = (await api.get(f"{boats}?fieldSelector=spec.port%3Dkiel,spec.length%3D7")).json["items"]
    assert [item["metadata"]["name"] for item in listed] == ["a"]
    async with api.watch(f"{boats}?watch=1&fieldSelector=spec.port%3Dbergen") as stream:
        await stream.head()
        assert await stream.event() == {"type": "ADDED", "object": (await api.get(f"{boats}/b")).json}
        await api.patch(f"{boats}/a", {"spec": {"port": "bergen"}})
        await api.patch(f"{boats}/b", {"spec": {"port": "kiel"}})
        seen = [await stream.event(), await stream.event()]
        assert [(event["type"], event["object"]["metadata"]["name"]) for event in seen] == [
            ("ADDED", "a"),
            ("DELETED", "b"),
        ]
    assert (await api.get(f"{boats}?fieldSelector=spec.crew%3Dx")).status == 400


async def test_all_versions_show_the_same_objects(api: Client, server: ApiServer, boats: str) -> None:
    newer = boats.replace("/v1/", "/v2/")
    assert (await api.post(newer, boat("a", "v2", port="kiel"))).json["apiVersion"] == "example.com/v2"
    assert (await api.get(f"{boats}/a")).json["apiVersion"] == "example.com/v1"
    before, only = server.registry.generation, definition()["spec"]
    await api.patch(f"{DEFINITIONS}/boats.example.com", {"spec": {"versions": only["versions"][:1]}})
    await served_anew(server, before)
    assert (await api.get(f"{newer}/a")).status == 404
    assert (await api.get(f"{boats}/a")).status == 200


async def test_rules_speak_and_have_a_limit(api: Client, boats: str) -> None:
    await api.post(boats, boat("a", length=5))
    refused = await api.patch(f"{boats}/a", {"spec": {"length": 6}})
    assert (refused.status, refused.json["details"]["causes"][0]["message"]) == (
        422,
        "Invalid value: stays 5",
    )
    dear = await api.post(boats, boat("b", course=list(range(1_000))))
    assert dear.status == 422
    assert "cost" in dear.json["message"]


async def test_appliers_own_items_members_and_whole_lists(api: Client, boats: str) -> None:
    async def apply(manager: str, path: str = f"{BOATS}/a", force: str = "", **fields: Any) -> Any:
        body = {**boat("a"), **fields}
        if "spec" not in fields:
            del body["spec"]
        return await api.patch(f"{path}?fieldManager={manager}{force}", body, "apply-patch+yaml")

    one = {"crew": [{"name": "ann", "rank": "cook"}], "flags": ["red"], "course": [1, 2]}
    assert (await apply("one", spec=one)).status == 201
    two = await apply("two", spec={"crew": [{"name": "bob"}], "flags": ["red", "blue"]})
    assert [sailor["name"] for sailor in two.json["spec"]["crew"]] == ["ann", "bob"]
    assert two.json["spec"]["flags"] == ["red", "blue"]
    refused = await apply("two", spec={"crew": [{"name": "ann", "rank": "mate"}], "course": [3]})
    causes = {cause["field"] for cause in refused.json["details"]["causes"]}
    assert (refused.status, causes) == (409, {'.spec.crew[name="ann"].rank', ".spec.course"})
    assert (await apply("two", force="&force=true", spec={"course": [3]})).json["spec"]["course"] == [3]
    left = (await apply("one", spec={})).json["spec"]
    assert (left.get("crew"), left.get("flags"), left["course"]) == (None, None, [3])
    at_status = f"{BOATS}/a/status"
    assert (await apply("pilot", at_status, status={"at": "sea"})).json["status"] == {"at": "sea"}
    both = await apply("sensor", at_status, status={"wind": 4})
    assert both.json["status"] == {"at": "sea", "wind": 4}
    assert (await apply("sensor", at_status, status={"at": "port"})).status == 409


async def test_bad_definitions_are_refused_with_all_that_is_wrong(api: Client) -> None:
    bad = definition(scope="Galactic")
    bad["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-validations"] = [
        {"rule": "self.nothing == 1"}
    ]
    bad["spec"]["versions"][1]["storage"] = True
    refused = await api.post(DEFINITIONS, bad)
    assert (refused.status, refused.json["reason"]) == (422, "Invalid")
    fields = {cause["field"] for cause in refused.json["details"]["causes"]}
    assert {"spec.scope", "spec.versions"} <= fields
    assert any("x-kubernetes-validations" in field for field in fields)
    assert (await api.get(f"{DEFINITIONS}/boats.example.com")).status == 404
