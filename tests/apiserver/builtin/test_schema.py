"""Schemas of built-in kinds: unknown fields, wrong types, the settled form, required and enumerated values."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echelon.apiserver.builtin import notation
from echelon.apiserver.builtin.schema import BuiltinSchema
from echelon.apiserver.errors import StatusError

CONFIG_MAP = BuiltinSchema("core.ConfigMap")
DEPLOYMENT = BuiltinSchema("apps.Deployment")
POD = BuiltinSchema("core.Pod")

Objects = Callable[[str], st.SearchStrategy[dict[str, Any]]]
ALL_TYPES = [entry.key for name in notation.PACKAGES for entry in notation.package(name).types.values()]


def deployment(**container: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": "nginx:1", **container}]},
            },
        },
    }


def settled(schema: BuiltinSchema, obj: dict[str, Any]) -> dict[str, Any]:
    schema.default(obj)
    return obj


# Unknown fields.


def test_unknown_fields_go_and_are_named_with_their_place() -> None:
    obj = deployment(colour="red", ports=[{"containerPort": 80, "speed": 1}])
    obj["spec"]["template"]["spec"]["nope"] = {}
    obj["dada"] = {}
    assert DEPLOYMENT.prune(obj) == [
        "spec.template.spec.containers[0].colour",
        "spec.template.spec.containers[0].ports[0].speed",
        "spec.template.spec.nope",
        "dada",
    ]
    assert obj == deployment(ports=[{"containerPort": 80}])


def test_known_fields_stay_as_they_are_empty_ones_too() -> None:
    obj = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "labels": {}},
        "data": {},
        "immutable": None,
    }
    before = copy.deepcopy(obj)
    assert CONFIG_MAP.prune(obj) == []
    assert obj == before


def test_schemas_within_custom_resource_definitions_are_pruned_too() -> None:
    schema = {"type": "object", "wibble": 1, "properties": {"a": {"items": {"type": "string", "wobble": 2}}}}
    obj = {"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]}}
    place = "spec.versions[0].schema.openAPIV3Schema"
    assert BuiltinSchema("apiextensions.CustomResourceDefinition").prune(obj) == [
        f"{place}.wibble",
        f"{place}.properties.a.items.wobble",
    ]


# Wrong types.


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"data": {"k": 1}}, "json: cannot unmarshal number into Go struct field ConfigMap.data of type string"),
        ({"data": "x"}, "json: cannot unmarshal string into Go struct field ConfigMap.data of type map[string]string"),
        ({"immutable": "yes"}, "json: cannot unmarshal string into Go struct field ConfigMap.immutable of type bool"),
        (
            {"metadata": {"labels": {"a": True}}},
            "json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.labels of type string",
        ),
        (
            {"metadata": []},
            "json: cannot unmarshal array into Go struct field ConfigMap.metadata of type v1.ObjectMeta",
        ),
        ({"binaryData": {"a": "*"}}, "illegal base64 data at input byte 0"),
        (
            {"metadata": {"creationTimestamp": "today"}},
            'parsing time "today" as "2006-01-02T15:04:05Z07:00": cannot parse "today" as "2006"',
        ),
    ],
)
def test_wrong_types_are_bad_requests_in_go_s_words(body: dict[str, Any], fault: str) -> None:
    for method in (CONFIG_MAP.prune, CONFIG_MAP.default):
        with pytest.raises(StatusError) as caught:
            method(copy.deepcopy(body))
        assert caught.value.code == 400
        assert caught.value.message == f'ConfigMap in version "v1" cannot be handled as a ConfigMap: {fault}'


@pytest.mark.parametrize(
    ("container", "found", "struct", "path", "wanted"),
    [
        ({"env": [{"name": "A", "value": 1}]}, "number", "EnvVar", ".env.value", "string"),
        ({"ports": [{"containerPort": "80"}]}, "string", "ContainerPort", ".ports.containerPort", "int32"),
        ({"ports": [{"containerPort": 1.5}]}, "number 1.5", "ContainerPort", ".ports.containerPort", "int32"),
        ({"ports": [{"containerPort": 2**40}]}, f"number {2**40}", "ContainerPort", ".ports.containerPort", "int32"),
        ({"ports": {}}, "object", "Container", ".ports", "[]v1.ContainerPort"),
        ({"imagePullPolicy": 3}, "number", "Container", ".imagePullPolicy", "v1.PullPolicy"),
    ],
)
def test_the_path_of_a_wrong_type_leaves_out_indices(
    container: dict[str, Any], found: str, struct: str, path: str, wanted: str
) -> None:
    with pytest.raises(StatusError) as caught:
        DEPLOYMENT.prune(deployment(**container))
    place = f"{struct}.spec.template.spec.containers{path}"
    fault = f"json: cannot unmarshal {found} into Go struct field {place} of type {wanted}"
    assert caught.value.message.endswith(fault)


def test_quantities_that_cannot_be_read() -> None:
    with pytest.raises(StatusError, match="quantities must match the regular expression"):
        DEPLOYMENT.default(deployment(resources={"limits": {"cpu": "much"}}))


# The settled form.


def test_null_and_zero_values_mean_absent() -> None:
    obj = settled(
        CONFIG_MAP, {"metadata": {"name": "a", "labels": {}, "creationTimestamp": None}, "data": {}, "immutable": False}
    )
    assert obj == {"metadata": {"name": "a"}, "immutable": False}


def test_structs_without_a_pointer_are_always_there() -> None:
    assert settled(BuiltinSchema("coordination.Lease"), {"metadata": {"name": "l"}})["spec"] == {}
    node = settled(BuiltinSchema("core.Node"), {"metadata": {"name": "n"}})
    assert node["status"]["daemonEndpoints"] == {"kubeletEndpoint": {"Port": 0}}
    assert node["status"]["nodeInfo"]["kubeletVersion"] == ""


def test_values_are_written_in_one_way() -> None:
    obj = settled(DEPLOYMENT, deployment(resources={"limits": {"cpu": 0.5, "memory": "1024Mi"}}))
    resources = obj["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert resources == {"limits": {"cpu": "500m", "memory": "1Gi"}}
    lease = settled(BuiltinSchema("coordination.Lease"), {"spec": {"renewTime": "2026-01-01T02:00:00+01:00"}})
    assert lease["spec"]["renewTime"] == "2026-01-01T01:00:00.000000Z"


def test_defaults_of_a_deployment() -> None:
    spec = settled(DEPLOYMENT, deployment(ports=[{"containerPort": 80}]))["spec"]
    assert spec["replicas"] == 1
    assert spec["revisionHistoryLimit"] == 10
    assert spec["progressDeadlineSeconds"] == 600
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}
    assert spec["template"]["spec"] == {
        "containers": [
            {
                "name": "c",
                "image": "nginx:1",
                "ports": [{"containerPort": 80, "protocol": "TCP"}],
                "resources": {},
                "imagePullPolicy": "IfNotPresent",
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
    }


def test_a_given_zero_is_kept_where_absence_differs() -> None:
    obj = deployment()
    obj["spec"]["replicas"] = 0
    assert settled(DEPLOYMENT, obj)["spec"]["replicas"] == 0


@pytest.mark.parametrize("key", ALL_TYPES)
def test_every_type_settles_once_and_for_all(key: str) -> None:
    schema = BuiltinSchema(key)
    obj: dict[str, Any] = {}
    schema.default(obj)
    once = orjson.dumps(obj)
    schema.default(obj)
    assert orjson.dumps(obj) == once
    assert schema.prune(obj) == []
    schema.validate(obj)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(["apps.Deployment", "core.Pod", "batch.CronJob", "core.Service", "rbac.ClusterRole"]))
def test_objects_of_known_fields_lose_nothing_and_settle(objects: Objects, data: st.DataObject, key: str) -> None:
    schema = BuiltinSchema(key)
    obj = data.draw(objects(key))
    before = orjson.dumps(obj)
    assert schema.prune(obj) == []
    assert orjson.dumps(obj) == before
    schema.default(obj)
    once = orjson.dumps(obj)
    schema.default(obj)
    assert orjson.dumps(obj) == once
    schema.validate(obj)


# Required and enumerated values.


def test_missing_texts_and_unsupported_values() -> None:
    obj = settled(DEPLOYMENT, deployment(name="", imagePullPolicy="Sometimes", env=[{"value": "x"}]))
    faults = [(fault.reason, str(fault)) for fault in DEPLOYMENT.validate(obj)]
    place = "spec.template.spec.containers[0]"
    supported = '"Always", "IfNotPresent", "Never"'
    assert faults == [
        ("FieldValueRequired", f"{place}.name: Required value"),
        ("FieldValueRequired", f"{place}.env[0].name: Required value"),
        (
            "FieldValueNotSupported",
            f'{place}.imagePullPolicy: Unsupported value: "Sometimes": supported values: {supported}',
        ),
    ]


def test_status_and_metadata_are_left_to_others() -> None:
    pod = settled(POD, {"metadata": {}, "spec": {}, "status": {"phase": "Odd", "conditions": [{}]}})
    assert POD.validate(pod) == []


def test_the_schema_tells_where_it_is_published() -> None:
    assert DEPLOYMENT.component == "io.k8s.api.apps.v1.Deployment"
    assert DEPLOYMENT.openapi["properties"]["spec"]["properties"]["replicas"]["type"] == "integer"
