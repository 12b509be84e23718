"""Names of objects, read from objects and from their text alike."""

from __future__ import annotations

import msgspec

from echelon.placement.identifiers import identifiers_of, identifiers_of_manifests

OBJECTS = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "app"}},
    {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "app"}, "spec": {}},
    {"apiVersion": "example.com/v1beta1", "kind": "Widget", "metadata": {"name": "w", "labels": {"a": "b"}}},
]


def test_names() -> None:
    namespace, deployment, widget = identifiers_of(OBJECTS)
    assert (namespace.group, namespace.version, namespace.kind, namespace.namespace) == ("", "v1", "Namespace", "")
    assert (deployment.group, deployment.version, deployment.namespace) == ("apps", "v1", "app")
    assert (widget.group, widget.version, widget.name) == ("example.com", "v1beta1", "w")


def test_text_and_objects_agree() -> None:
    manifests = [msgspec.Raw(msgspec.json.encode(obj)) for obj in OBJECTS]
    assert identifiers_of_manifests(manifests) == identifiers_of(OBJECTS)
