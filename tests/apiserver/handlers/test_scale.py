"""The scale subresource."""

from __future__ import annotations

from typing import Any

import pytest

from echelon.apiserver.handlers.scale import selector_text

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c", "image": "nginx:1"}]},
        },
    },
}


async def test_of_a_builtin_kind(api: Any) -> None:
    await api.post(DEPLOYMENTS, DEPLOYMENT)
    scale = (await api.get(DEPLOYMENTS + "/web/scale")).json
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert (scale["spec"], scale["status"]) == ({"replicas": 2}, {"replicas": 0, "selector": "app=web"})
    scale["spec"]["replicas"] = 5
    assert (await api.put(DEPLOYMENTS + "/web/scale", scale)).json["spec"] == {"replicas": 5}
    assert (await api.get(DEPLOYMENTS + "/web")).json["spec"]["replicas"] == 5


async def test_of_a_custom_kind(api: Any, widgets: str) -> None:
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}
    await api.post(widgets, widget)
    assert (await api.get(widgets + "/w/scale")).json["spec"] == {"replicas": 0}
    assert (await api.patch(widgets + "/w/scale", {"spec": {"replicas": 3}})).json["spec"] == {"replicas": 3}
    assert (await api.get(widgets + "/w")).json["spec"]["replicas"] == 3


async def test_who_applies_replicas_owns_their_field(api: Any, widgets: str) -> None:
    async def apply(path: str, manager: str, replicas: Any, query: str = "") -> Any:
        body = b"apiVersion: autoscaling/v1\nkind: Scale\nspec: {replicas: %s}\n" % str(replicas).encode()
        return await api.patch(f"{path}/scale?fieldManager={manager}{query}", body, "apply-patch+yaml")

    await api.post(DEPLOYMENTS, DEPLOYMENT)
    await api.post(widgets, {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "web"}})
    for path in (f"{DEPLOYMENTS}/web", f"{widgets}/web"):
        forced = await apply(path, "autoscaler", 4, "&force=true")
        assert (forced.status, forced.json["kind"], forced.json["spec"]) == (200, "Scale", {"replicas": 4})
        entries = (await api.get(path)).json["metadata"]["managedFields"]
        mine = next(entry for entry in entries if entry["manager"] == "autoscaler")
        assert (mine["operation"], mine["subresource"]) == ("Apply", "scale")
        assert mine["fieldsV1"] == {"f:spec": {"f:replicas": {}}}
        refused = await apply(path, "other", 5)
        assert (refused.status, refused.json["details"]["causes"][0]["field"]) == (409, ".spec.replicas")
        assert (await apply(path, "autoscaler", -1)).status == 422
        assert (await apply(path, "autoscaler", "[")).status == 400
    assert (await apply(f"{DEPLOYMENTS}/none", "a", 1)).status == 404


async def test_faults(api: Any) -> None:
    await api.post(DEPLOYMENTS, DEPLOYMENT)
    scale = (await api.get(DEPLOYMENTS + "/web/scale")).json
    assert (await api.put(DEPLOYMENTS + "/web/scale", scale | {"spec": {"replicas": -1}})).status == 422
    stale = scale | {"metadata": {**scale["metadata"], "resourceVersion": "1"}}
    assert (await api.put(DEPLOYMENTS + "/web/scale", stale)).status == 409
    assert (await api.get(DEPLOYMENTS + "/none/scale")).status == 404
    assert (await api.get("/api/v1/namespaces/default/configmaps/a/scale")).status == 404
    assert (await api.delete(DEPLOYMENTS + "/web/scale")).status == 405


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        ({"a": "b"}, "a=b"),
        ({"matchLabels": {"b": "2", "a": "1"}}, "a=1,b=2"),
        (
            {
                "matchExpressions": [
                    {"key": "a", "operator": "In", "values": ["y", "x"]},
                    {"key": "b", "operator": "NotIn", "values": ["x"]},
                    {"key": "c", "operator": "Exists"},
                    {"key": "d", "operator": "DoesNotExist"},
                ]
            },
            "a in (x,y),b notin (x),c,!d",
        ),
    ],
)
def test_selectors_as_text(selector: dict[str, Any], text: str) -> None:
    assert selector_text(selector) == text
