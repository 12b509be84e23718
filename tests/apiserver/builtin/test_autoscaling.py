"""Autoscalers at v1 and at v2 are the same objects."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from echelon.apiserver.builtin import BuiltinSchema
from echelon.apiserver.builtin.autoscaling import from_v2, to_v2
from echelon.apiserver.builtin.compiler import Mismatch
from echelon.apiserver.errors import StatusError

from ..conftest import Client
from ..fuzz.bodies import object_of

V1 = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers"
V2 = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
ANNOTATION = "autoscaling.alpha.kubernetes.io/"
CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}}
MEMORY = {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}}
SCHEMA = BuiltinSchema("autoscaling2.HorizontalPodAutoscaler")


def autoscaler(version: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"autoscaling/{version}",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, **spec},
    }


async def test_an_older_client_and_a_newer_one(api: Client) -> None:
    created = await api.post(V1, autoscaler("v1", maxReplicas=5, targetCPUUtilizationPercentage=60))
    assert (created.status, created.json["apiVersion"]) == (201, "autoscaling/v1")
    assert created.json["spec"]["targetCPUUtilizationPercentage"] == 60
    newer = (await api.get(f"{V2}/web")).json
    assert newer["spec"]["metrics"] == [CPU]
    patched = await api.patch(f"{V1}/web", {"spec": {"targetCPUUtilizationPercentage": 70}})
    assert patched.json["spec"]["targetCPUUtilizationPercentage"] == 70
    listed = (await api.get(V2)).json["items"]
    assert [item["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] for item in listed] == [70]
    tables = [await api.get(path, accept="application/json;as=Table;v=v1;g=meta.k8s.io") for path in (V1, V2)]
    cells = [table.json["rows"][0]["cells"] for table in tables]
    assert cells[0] == cells[1]
    assert "70%" in cells[0][2]


async def test_what_v1_cannot_say_stands_in_annotations(api: Client) -> None:
    behaviour = {"scaleDown": {"stabilizationWindowSeconds": 10}}
    spec = {"maxReplicas": 5, "metrics": [CPU, MEMORY], "behavior": behaviour}
    assert (await api.post(V2, autoscaler("v2", **spec))).status == 201
    older = (await api.get(f"{V1}/web")).json
    assert older["spec"] == autoscaler("v1")["spec"] | {
        "minReplicas": 1,
        "maxReplicas": 5,
        "targetCPUUtilizationPercentage": 60,
    }
    assert orjson.loads(older["metadata"]["annotations"][f"{ANNOTATION}metrics"]) == [MEMORY]
    await api.patch(f"{V1}/web", {"metadata": {"annotations": {"mine": "x"}}})
    newer = (await api.get(f"{V2}/web")).json
    assert (newer["spec"]["metrics"], newer["spec"]["behavior"]) == ([CPU, MEMORY], behaviour)
    assert newer["metadata"]["annotations"] == {"mine": "x"}


@pytest.mark.parametrize("text", ["", "{", "null", "7", '[{"type": 5}]', '{"a": 1}'])
async def test_annotations_of_a_clients_own_make_do(api: Client, text: str) -> None:
    given = autoscaler("v1", maxReplicas=5)
    names = ("metrics", "behavior", "conditions", "current-metrics")
    given["metadata"]["annotations"] = dict.fromkeys((ANNOTATION + name for name in names), text)
    assert (await api.post(V1, given)).status == 201
    assert (await api.get(f"{V2}/web")).status == 200
    assert (await api.get(f"{V1}/web")).json["spec"]["targetCPUUtilizationPercentage"] == 80


async def test_fields_have_owners_at_both_versions(api: Client) -> None:
    body = autoscaler("v2", maxReplicas=5, metrics=[CPU])
    assert (await api.patch(f"{V2}/web?fieldManager=gitops", body, "apply-patch+yaml")).status == 201
    await api.patch(f"{V1}/web?fieldManager=human", {"spec": {"targetCPUUtilizationPercentage": 90}})
    refused = await api.patch(f"{V2}/web?fieldManager=gitops", body, "apply-patch+yaml")
    assert refused.status == 409
    cause = {"field": ".spec.targetCPUUtilizationPercentage", "reason": "FieldManagerConflict"}
    assert cause.items() <= refused.json["details"]["causes"][0].items()


@given(st.integers(0, 1 << 32))
def test_conversion_there_and_back(seed: int) -> None:
    made = object_of("autoscaling/v2", "HorizontalPodAutoscaler", "web", SCHEMA.openapi, random.Random(seed))
    try:
        SCHEMA.prune(made)
        SCHEMA.default(made)
    except (StatusError, Mismatch, TypeError, AttributeError):
        return  # no autoscaler
    older = from_v2(orjson.loads(orjson.dumps(made)))
    again = to_v2(orjson.loads(orjson.dumps(older)))
    assert from_v2(orjson.loads(orjson.dumps(again))) == older
    for field in ("scaleTargetRef", "minReplicas", "maxReplicas", "behavior"):
        assert again["spec"].get(field) == made["spec"].get(field)
    key = orjson.dumps
    assert sorted(again["spec"]["metrics"], key=key) == sorted(made["spec"]["metrics"], key=key)
