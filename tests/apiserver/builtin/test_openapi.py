"""OpenAPI of the built-in types."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from echelon.apiserver.builtin import notation, openapi

PREFIX = "io.k8s.api."


def test_a_component_refers_to_others_by_name() -> None:
    spec = openapi.components()[f"{PREFIX}apps.v1.DeploymentSpec"]
    assert spec["required"] == ["selector", "template"]
    template = spec["properties"]["template"]
    assert template["allOf"] == [{"$ref": f"#/components/schemas/{PREFIX}core.v1.PodTemplateSpec"}]
    assert template["description"]
    assert spec["properties"]["replicas"] | {"description": ""} == {
        "type": "integer",
        "format": "int32",
        "default": 1,
        "description": "",
    }


def test_every_reference_resolves() -> None:
    for schema in openapi.components().values():
        for name in openapi._references(schema):
            assert openapi.resolve(openapi.REFERENCE + name)


def test_kinds_name_their_group_version_kind_and_have_a_list() -> None:
    components = openapi.components()
    deployment = components[f"{PREFIX}apps.v1.Deployment"]
    assert deployment["x-kubernetes-group-version-kind"] == [{"group": "apps", "version": "v1", "kind": "Deployment"}]
    listed = components[f"{PREFIX}apps.v1.DeploymentList"]
    assert listed["x-kubernetes-group-version-kind"] == [{"group": "apps", "version": "v1", "kind": "DeploymentList"}]
    assert listed["properties"]["items"]["items"] == {"$ref": f"#/components/schemas/{PREFIX}apps.v1.Deployment"}


def test_what_patches_and_apply_ask_stands_on_the_field() -> None:
    ports = openapi.components()[f"{PREFIX}core.v1.Container"]["properties"]["ports"]
    assert ports["x-kubernetes-list-type"] == "map"
    assert ports["x-kubernetes-list-map-keys"] == ["containerPort", "protocol"]
    assert ports["x-kubernetes-patch-strategy"] == "merge"
    assert ports["x-kubernetes-patch-merge-key"] == "containerPort"
    pod = openapi.components()[f"{PREFIX}core.v1.PodSpec"]["properties"]
    assert pod["tolerations"]["x-kubernetes-list-type"] == "atomic"
    assert pod["nodeSelector"]["x-kubernetes-map-type"] == "atomic"
    assert pod["volumes"]["x-kubernetes-patch-strategy"] == "merge,retainKeys"
    selector = openapi.components()["io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector"]
    assert selector["x-kubernetes-map-type"] == "atomic"


def test_inlined_fields_stand_in_the_outer_type() -> None:
    volume = openapi.components()[f"{PREFIX}core.v1.Volume"]
    assert {"name", "emptyDir", "configMap"} <= volume["properties"].keys()
    assert "inline" not in volume["properties"]


def test_enumerations_are_spelled_out() -> None:
    policy = openapi.components()[f"{PREFIX}core.v1.PodSpec"]["properties"]["restartPolicy"]
    assert policy["enum"] == ["Always", "Never", "OnFailure"]
    assert policy["default"] == "Always"


def test_reachable_components_are_closed() -> None:
    found = openapi.reachable([f"{PREFIX}core.v1.ConfigMap"])
    assert f"{PREFIX}core.v1.ConfigMap" in found
    assert "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta" in found
    assert f"{PREFIX}core.v1.Pod" not in found
    orjson.dumps(found)


def test_the_structural_form_has_everything_in_place() -> None:
    schema = openapi.structural("apps.Deployment")
    container = schema["properties"]["spec"]["properties"]["template"]["properties"]["spec"]["properties"]["containers"]
    assert container["items"]["properties"]["ports"]["x-kubernetes-list-map-keys"] == ["containerPort", "protocol"]
    assert container["x-kubernetes-patch-merge-key"] == "name"


KINDS = [entry.key for name in notation.PACKAGES for entry in notation.package(name).types.values() if entry.kind]


@pytest.mark.parametrize("key", KINDS)
def test_structural_forms_end_and_hold_no_references(key: str) -> None:
    seen: set[int] = set()

    def walk(schema: Any, depth: int) -> None:
        assert depth < 60
        if not isinstance(schema, dict) or id(schema) in seen:
            return
        seen.add(id(schema))
        assert "$ref" not in schema or isinstance(schema["$ref"], dict)
        for child in schema.get("properties", {}).values():
            walk(child, depth + 1)
        for name in ("items", "additionalProperties"):
            walk(schema.get(name), depth + 1)

    walk(openapi.structural(key), 0)
