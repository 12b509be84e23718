"""Get and list: forms, selectors, chunks and revisions."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from echelon.apiserver.storage import Bucket, Compacted

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


@pytest.fixture
async def five(api: Any, config_map: Any) -> int:
    """Five objects, a to e, of which a and c are labelled; the revision after the last."""
    for name in "abcde":
        labels = {"odd": "yes"} if name in "ac" else {}
        reply = await api.post(CONFIGMAPS, config_map(name, labels=labels))
        assert reply.status == 201
    return int(reply.json["metadata"]["resourceVersion"])


def names(reply: Any) -> list[str]:
    return [item["metadata"]["name"] for item in reply.json["items"]]


async def test_a_list_is_of_the_newest_revision(api: Any, five: int) -> None:
    reply = await api.get(CONFIGMAPS)
    assert names(reply) == list("abcde")
    assert int(reply.json["metadata"]["resourceVersion"]) >= five


async def test_items_of_builtin_kinds_do_not_repeat_their_kind(api: Any, five: int) -> None:
    reply = await api.get(CONFIGMAPS)
    assert reply.json["kind"] == "ConfigMapList"
    assert {"kind", "apiVersion"}.isdisjoint(reply.json["items"][0])


async def test_items_of_custom_kinds_name_their_kind_and_version(api: Any, widgets: str) -> None:
    await api.post(widgets, {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}})
    (item,) = (await api.get(widgets)).json["items"]
    assert (item["apiVersion"], item["kind"]) == ("example.com/v1", "Widget")


async def test_selectors(api: Any, five: int) -> None:
    assert names(await api.get(CONFIGMAPS + "?labelSelector=odd")) == ["a", "c"]
    assert names(await api.get(CONFIGMAPS + "?labelSelector=!odd&fieldSelector=metadata.name!%3Dd")) == ["b", "e"]
    assert names(await api.get(CONFIGMAPS + "?fieldSelector=metadata.name%3Db")) == ["b"]
    assert names(await api.get(CONFIGMAPS + "?fieldSelector=metadata.name%3Dzzz")) == []
    everywhere = "/api/v1/configmaps?fieldSelector=metadata.namespace%3Ddefault,metadata.name%3Da"
    assert names(await api.get(everywhere)) == ["a"]
    assert names(await api.get("/api/v1/configmaps?fieldSelector=metadata.name%3Da")) == ["a"]


async def test_chunks_are_of_one_revision(api: Any, five: int, config_map: Any) -> None:
    first = await api.get(CONFIGMAPS + "?limit=2")
    assert names(first) == ["a", "b"]
    assert first.json["metadata"]["remainingItemCount"] == 3
    await api.delete(CONFIGMAPS + "/c")
    await api.post(CONFIGMAPS, config_map("bb"))
    second = await api.get(CONFIGMAPS + f"?limit=2&continue={first.json['metadata']['continue']}")
    assert names(second) == ["c", "d"]
    assert second.json["metadata"]["resourceVersion"] == first.json["metadata"]["resourceVersion"]
    last = await api.get(CONFIGMAPS + f"?limit=2&continue={second.json['metadata']['continue']}")
    assert names(last) == ["e"]
    assert "continue" not in last.json["metadata"]


async def test_chunks_with_a_selector_do_not_count_the_rest(api: Any, five: int) -> None:
    first = await api.get(CONFIGMAPS + "?limit=1&labelSelector=odd")
    assert names(first) == ["a"]
    assert "remainingItemCount" not in first.json["metadata"]
    rest = await api.get(CONFIGMAPS + f"?limit=1&labelSelector=odd&continue={first.json['metadata']['continue']}")
    assert names(rest) == ["c"]
    assert "continue" not in rest.json["metadata"]


async def test_a_token_of_a_forgotten_revision_is_expired_and_answered_with_another(
    api: Any, five: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forget(*_: Any, **__: Any) -> None:
        raise Compacted(1, 5)

    token = (await api.get(CONFIGMAPS + "?limit=2")).json["metadata"]["continue"]
    with monkeypatch.context() as patched:
        patched.setattr(Bucket, "list_at", forget)
        reply = await api.get(CONFIGMAPS + f"?limit=2&continue={token}")
        past = await api.get(CONFIGMAPS + "?resourceVersion=1&resourceVersionMatch=Exact")
    assert (reply.status, reply.json["reason"]) == (410, "Expired")
    assert (past.status, past.json["reason"]) == (410, "Expired")
    again = await api.get(CONFIGMAPS + f"?limit=2&continue={reply.json['metadata']['continue']}")
    assert names(again) == ["c", "d"]


async def test_an_exact_revision_shows_the_past(api: Any, five: int) -> None:
    await api.delete(CONFIGMAPS + "/a")
    past = await api.get(CONFIGMAPS + f"?resourceVersion={five}&resourceVersionMatch=Exact")
    assert names(past) == list("abcde")
    at_least = await api.get(CONFIGMAPS + f"?resourceVersion={five}&resourceVersionMatch=NotOlderThan")
    assert names(at_least) == list("bcde")


async def test_a_future_revision_is_refused(api: Any, five: int) -> None:
    for query in ("resourceVersion=99999", "resourceVersion=99999&resourceVersionMatch=Exact"):
        reply = await api.get(f"{CONFIGMAPS}?{query}")
        assert (reply.status, reply.json["reason"]) == (504, "Timeout")
        assert reply.header("retry-after") == ["1"]
    assert (await api.get(CONFIGMAPS + "/a?resourceVersion=99999")).status == 504


async def test_tables(api: Any, clock: Any, five: int) -> None:
    clock.forward(minutes=5)
    table = (await api.get(CONFIGMAPS + "?limit=2", accept=TABLE)).json
    assert table["kind"] == "Table"
    assert [row["cells"] for row in table["rows"]] == [["a", 1, "5m"], ["b", 1, "5m"]]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    assert table["metadata"]["remainingItemCount"] == 3
    one = (await api.get(CONFIGMAPS + "/a?includeObject=Object", accept=TABLE)).json
    assert one["rows"][0]["object"]["data"] == {"k": "v"}


async def test_partial_metadata(api: Any, five: int) -> None:
    partial = (await api.get(CONFIGMAPS, accept=PARTIAL_LIST)).json
    assert partial["kind"] == "PartialObjectMetadataList"
    assert partial["items"][0].keys() == {"kind", "apiVersion", "metadata"}


async def test_yaml(api: Any, five: int) -> None:
    reply = await api.get(CONFIGMAPS + "/a", accept="application/yaml")
    assert reply.body.startswith(b"apiVersion: v1\n")
    assert reply.header("content-type") == ["application/yaml"]


async def test_custom_objects_are_served_at_every_version(api: Any, widgets: str) -> None:
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"colour": "red"}}
    await api.post(widgets, widget)
    for version in ("v1", "v1beta1"):
        one = (await api.get(f"/apis/example.com/{version}/namespaces/default/widgets/w")).json
        assert one["apiVersion"] == f"example.com/{version}"
        assert one["spec"] == {"colour": "red", "size": 3}
        (item,) = (await api.get(f"/apis/example.com/{version}/widgets")).json["items"]
        assert item == one


async def test_stored_bytes_are_what_is_served(api: Any, server: Any, five: int) -> None:
    definition = server.registry.get("", "configmaps")
    stored = server.objects.bucket(definition).get("default", "a").value
    assert (await api.get(CONFIGMAPS + "/a")).body == stored
    assert orjson.loads(stored)["apiVersion"] == "v1"
