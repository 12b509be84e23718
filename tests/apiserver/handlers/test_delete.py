"""Delete and delete-collection."""

from __future__ import annotations

from typing import Any

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


async def test_an_object_without_finalizers_goes_at_once(api: Any, config_map: Any) -> None:
    uid = (await api.post(CONFIGMAPS, config_map("a"))).json["metadata"]["uid"]
    reply = await api.delete(CONFIGMAPS + "/a")
    assert reply.json["status"] == "Success"
    assert reply.json["details"] == {"name": "a", "kind": "configmaps", "uid": uid}
    assert (await api.get(CONFIGMAPS + "/a")).status == 404
    assert (await api.delete(CONFIGMAPS + "/a")).status == 404


async def test_a_held_object_goes_with_its_last_finalizer(api: Any, config_map: Any) -> None:
    await api.post(CONFIGMAPS, config_map("a", finalizers=["example.com/hold"]))
    marked = (await api.delete(CONFIGMAPS + "/a")).json
    assert marked["metadata"]["deletionTimestamp"] == "2026-01-31T08:00:00Z"
    again = (await api.delete(CONFIGMAPS + "/a")).json
    assert again["metadata"]["resourceVersion"] == marked["metadata"]["resourceVersion"]
    more = await api.patch(CONFIGMAPS + "/a", {"metadata": {"finalizers": ["example.com/hold", "example.com/x"]}})
    assert more.status == 422
    assert (await api.patch(CONFIGMAPS + "/a", {"metadata": {"finalizers": None}})).status == 200
    assert (await api.get(CONFIGMAPS + "/a")).status == 404


async def test_an_update_cannot_take_a_deletion_back(api: Any, config_map: Any) -> None:
    await api.post(CONFIGMAPS, config_map("a", finalizers=["example.com/hold"]))
    await api.delete(CONFIGMAPS + "/a")
    updated = await api.put(CONFIGMAPS + "/a", config_map("a", finalizers=["example.com/hold"], labels={"x": "y"}))
    assert updated.json["metadata"]["deletionTimestamp"]


async def test_preconditions(api: Any, config_map: Any) -> None:
    metadata = (await api.post(CONFIGMAPS, config_map("a"))).json["metadata"]
    for preconditions in ({"uid": "other"}, {"resourceVersion": "1"}):
        reply = await api.delete(CONFIGMAPS + "/a", {"preconditions": preconditions})
        assert (reply.status, reply.json["reason"]) == (409, "Conflict")
    right = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
    assert (await api.delete(CONFIGMAPS + "/a", {"preconditions": right})).status == 200


async def test_a_dry_run_deletes_nothing(api: Any, config_map: Any) -> None:
    await api.post(CONFIGMAPS, config_map("a"))
    assert (await api.delete(CONFIGMAPS + "/a?dryRun=All")).status == 200
    assert (await api.delete(CONFIGMAPS + "/a", {"dryRun": ["All"]})).status == 200
    assert (await api.get(CONFIGMAPS + "/a")).status == 200


async def test_options_in_the_query(api: Any, config_map: Any) -> None:
    await api.post(CONFIGMAPS, config_map("a"))
    assert (await api.delete(CONFIGMAPS + "/a?propagationPolicy=Foreground")).json["metadata"]["finalizers"] == [
        "foregroundDeletion"
    ]


async def test_bad_options(api: Any, config_map: Any) -> None:
    await api.post(CONFIGMAPS, config_map("a"))
    for body in ({"propagationPolicy": "Odd"}, {"gracePeriodSeconds": -1}, {"dryRun": ["Some"]}):
        assert (await api.delete(CONFIGMAPS + "/a", body)).status == 422
    both = {"propagationPolicy": "Orphan", "orphanDependents": True}
    assert (await api.delete(CONFIGMAPS + "/a", both)).status == 422
    for wrong in (b"{", b"[]", {"kind": "Other"}):
        assert (await api.delete(CONFIGMAPS + "/a", wrong)).status == 400


async def test_some_kinds_are_answered_with_the_object(api: Any) -> None:
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    await api.post(accounts, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a"}})
    assert (await api.delete(accounts + "/a")).json["kind"] == "ServiceAccount"


async def test_a_collection_goes_as_far_as_it_is_selected(api: Any, config_map: Any) -> None:
    for name in "abc":
        await api.post(CONFIGMAPS, config_map(name, labels={"go": str(name != "c")}))
    reply = await api.delete(CONFIGMAPS + "?labelSelector=go%3DTrue")
    assert [item["metadata"]["name"] for item in reply.json["items"]] == ["a", "b"]
    left = (await api.get(CONFIGMAPS)).json["items"]
    assert [item["metadata"]["name"] for item in left] == ["c"]


async def test_a_pod_on_a_node_gets_its_grace(api: Any, clock: Any) -> None:
    pods = "/api/v1/namespaces/default/pods"
    spec = {"containers": [{"name": "c", "image": "i"}], "terminationGracePeriodSeconds": 7}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}
    await api.post(pods, pod)
    assert (await api.delete(pods + "/p")).status == 200
    assert (await api.get(pods + "/p")).status == 404
    await api.post(pods, pod | {"spec": {**spec, "nodeName": "n"}})
    marked = (await api.delete(pods + "/p")).json["metadata"]
    assert (marked["deletionTimestamp"], marked["deletionGracePeriodSeconds"]) == ("2026-01-31T08:00:07Z", 7)
    await api.delete(pods + "/p", {"gracePeriodSeconds": 0})
    assert (await api.get(pods + "/p")).status == 404
