"""Envelopes: what is taken out of them, and what must not be in them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from echelon.api.placement import EnvelopeIdentifier
from echelon.placement.envelopes import BadEnvelope, kind_of_envelope, opened

GROUP = "placement.kubernetes-fleet.io/v1beta1"


def envelope(kind: str = "ResourceEnvelope", **data: Any) -> msgspec.Raw:
    metadata = {"name": "wrapped"} | ({"namespace": "app"} if kind == "ResourceEnvelope" else {})
    content = {"apiVersion": GROUP, "kind": kind, "metadata": metadata, "data": data}
    return msgspec.Raw(msgspec.json.encode(content))


def obj(kind: str = "ConfigMap", name: str = "a", namespace: str = "app", **more: Any) -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **more}


def refusal(kind: str = "ResourceEnvelope", **data: Any) -> str:
    with pytest.raises(BadEnvelope) as bad:
        opened(envelope(kind, **data))
    return str(bad.value)


def test_objects_come_out_by_their_text_the_greatest_first() -> None:
    found = opened(envelope(x=obj(name="a"), y=obj(name="c"), z=obj(name="b")))
    assert [identity.name for identity, _ in found.objects] == ["c", "b", "a"]
    assert found.identifier == EnvelopeIdentifier(name="wrapped", namespace="app", type="ResourceEnvelope")
    assert kind_of_envelope(found.identifier) == "ResourceEnvelope"


def test_objects_come_out_as_they_were() -> None:
    content = obj(data={"key": "välue", "n": 1})
    ((identity, text),) = opened(envelope(x=content)).objects
    assert msgspec.json.decode(text) == content
    assert str(identity) == "ConfigMap app/a"


def test_cluster_scoped_objects() -> None:
    found = opened(envelope("ClusterResourceEnvelope", x=obj("Namespace", "team", namespace="")))
    assert [str(identity) for identity, _ in found.objects] == ["Namespace team"]
    assert refusal("ClusterResourceEnvelope", x=obj()) == (
        "'x' of ClusterResourceEnvelope wrapped (ConfigMap app/a) is in namespace app; "
        "a ClusterResourceEnvelope holds cluster-scoped objects only"
    )


@pytest.mark.parametrize(("namespace", "where"), [("other", "in namespace other"), ("", "without a namespace")])
def test_objects_of_another_namespace(namespace: str, where: str) -> None:
    identity = f"ConfigMap {namespace}/a" if namespace else "ConfigMap a"
    assert refusal(x=obj(namespace=namespace)) == (
        f"'x' of ResourceEnvelope app/wrapped ({identity}) is {where}; "
        "a ResourceEnvelope holds objects of its own namespace only, app"
    )


@pytest.mark.parametrize(
    "content", [1, "text", {}, {"kind": "A"}, {"apiVersion": "v1", "kind": "A", "metadata": {"generateName": "a-"}}]
)
def test_what_is_no_object(content: Any) -> None:
    assert refusal(good=obj(), bad=content).startswith(
        "'bad' of ResourceEnvelope app/wrapped is not a Kubernetes object: "
    )


@pytest.mark.parametrize("empty", ["apiVersion", "kind", "name"])
def test_empty_names(empty: str) -> None:
    content = obj(name="") if empty == "name" else obj() | {empty: ""}
    assert refusal(x=content).endswith("apiVersion, kind and metadata.name must not be empty")


def test_an_envelope_in_an_envelope() -> None:
    inner = msgspec.json.decode(envelope(x=obj()))
    assert refusal(x=inner) == (
        "'x' of ResourceEnvelope app/wrapped is an envelope itself (ResourceEnvelope app/wrapped); "
        "an envelope cannot hold another"
    )
