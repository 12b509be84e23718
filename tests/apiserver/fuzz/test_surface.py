"""Bad input never makes the server fail: whatever is sent, the answer is one that Kubernetes could give.

Requests are drawn over the whole surface: methods, paths of served and other resources, queries, headers
and bodies, which are made from the schemas of the kinds, or are patches, or are garbage.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from echelon.apiserver import protobuf
from echelon.apiserver.crd import definition_of

from .bodies import ODD, damaged, object_of
from .wire import Wire, fault

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "FOO")
PATCHES = ("json-patch+json", "merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml")
TYPES = [f"application/{kind}" for kind in ("json", "yaml", "vnd.kubernetes.protobuf", *PATCHES)]
BODIES = sorted((Path(__file__).parent.parent / "fixtures").glob("*.pb"))
NAMES = ("a", "b", "default", "x.example.com", "widgets.example.com", "kube-system")
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "x-kubernetes-validations": [{"rule": "!has(self.size) || self.size < 100"}],
            "properties": {
                "size": {"type": "integer"},
                "replicas": {"type": "integer", "default": 1},
                "when": {"type": "string", "format": "date-time"},
                "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
                "ports": {
                    "type": "array",
                    "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                },
                "any": {"x-kubernetes-preserve-unknown-fields": True},
                "embedded": {
                    "type": "object",
                    "x-kubernetes-embedded-resource": True,
                    "x-kubernetes-preserve-unknown-fields": True,
                },
            },
        },
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": SCHEMA},
                "subresources": {
                    "status": {},
                    "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
                },
                "additionalPrinterColumns": [
                    {"name": "When", "type": "date", "jsonPath": ".spec.when"},
                    {"name": "Any", "type": "string", "jsonPath": ".spec.any.x[0]"},
                ],
            }
        ],
    },
}


class Surface:
    """A server, and the resources it serves: path, apiVersion, kind and schema of each."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.wire.server.registry.add(definition_of(DEFINITION))
        self.resources = []
        for definition in self.wire.server.registry.definitions():
            for version in definition.versions.values():
                group = f"apis/{definition.group}" if definition.group else "api"
                inside = "namespaces/default/" if definition.namespaced else ""
                path = f"/{group}/{version.name}/{inside}{definition.plural}"
                api_version = f"{definition.group}/{version.name}" if definition.group else version.name
                self.resources.append((path, api_version, definition.kind, version.schema.openapi))

        self.seeds = [seed for seed in self._seeds() if self._create(*seed) == 201]
        assert len(self.seeds) > 12

    def _seeds(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Objects that can be created, with the paths of their collections."""
        widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}, "spec": {"size": 1}}
        found = [protobuf.decode(file.read_bytes()) for file in BODIES]
        paths = {(api_version, kind): path for path, api_version, kind, _ in self.resources}
        for obj in [*found, widget, DEFINITION]:
            obj.setdefault("metadata", {}).pop("namespace", None)
            path = paths.get((obj["apiVersion"], obj["kind"]))
            if path is not None and obj["metadata"].get("name"):
                yield path, obj

    def _create(self, path: str, obj: Any) -> int:
        headers = [(b"content-type", b"application/json")]
        code, _ = self.wire.send("POST", path.encode(), b"", headers, orjson.dumps(obj))
        return code

    def restore(self, path: str, obj: Any) -> None:
        """Have a seed exist, as it was or as others have left it."""
        self._create(path, obj)


@pytest.fixture(scope="module")
def surface() -> Iterator[Surface]:
    surface = Surface()
    yield surface
    surface.wire.close()


ENCODED = st.binary(max_size=12).map(lambda raw: "".join(f"%{byte:02x}" for byte in raw).encode())
SEGMENT = st.one_of(
    st.sampled_from([b"", b"a", b"..", b"%", b"%2", b"%zz", b"%00", b"%2f", b"status", b"scale", b"namespaces", b"v1"]),
    ENCODED,
    st.binary(max_size=6).filter(lambda raw: b"?" not in raw and b" " not in raw),
)
WORDS = [
    *("0", "1", "-1", "true", "All", "x", "a=b", "!a", "((", "a==b,c!=d", "metadata.name=a", "spec.x=1", "Exact", "5s"),
    *("NotOlderThan", "Foreground", "Strict", "Ignore", "1h", "%zz", "%ff", "%00", "é", "", "a in (b,c)"),
    *("9" * 25, "9" * 200, "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhIn0"),
]
KEYS = [
    *("limit", "continue", "labelSelector", "fieldSelector", "resourceVersion", "resourceVersionMatch", "watch"),
    *("timeoutSeconds", "timeout", "allowWatchBookmarks", "sendInitialEvents", "dryRun", "fieldManager", "force"),
    *("fieldValidation", "gracePeriodSeconds", "propagationPolicy", "orphanDependents", "includeObject", "pretty"),
    *("hash", "verbose"),
]
QUERY = st.lists(
    st.tuples(st.sampled_from(KEYS), st.one_of(st.sampled_from(WORDS), st.text(max_size=8))), max_size=3
).map(lambda pairs: "&".join(f"{key}={value}" for key, value in pairs).encode("utf-8", "surrogatepass"))
ACCEPTS = [
    "application/json",
    "application/yaml",
    "application/json;as=Table;v=v1;g=meta.k8s.io",
    "*/*;q=x",
    "text/html",
    ";",
    "",
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
]
HEADERS = st.lists(
    st.one_of(
        st.tuples(st.just(b"accept"), st.sampled_from(ACCEPTS).map(str.encode)),
        st.tuples(
            st.sampled_from(
                [b"impersonate-user", b"impersonate-group", b"impersonate-extra-%zz", b"user-agent", b"if-none-match"]
            ),
            st.binary(max_size=8),
        ),
    ),
    max_size=2,
)
JSON_PATCHES = st.lists(
    st.fixed_dictionaries(
        {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", 1])},
        optional={
            "path": st.sampled_from(
                [
                    "",
                    "/",
                    "/metadata",
                    "/metadata/labels/a",
                    "/spec",
                    "/spec/a/-",
                    "/~2",
                    "/metadata/name",
                    "/data/k",
                    5,
                ]
            ),
            "from": st.sampled_from(["", "/metadata", "/spec", "/data", "/nothing/0"]),
            "value": st.sampled_from(ODD),
        },
    ),
    max_size=4,
).map(lambda value: yaml_or_json(value))
GARBAGE = st.one_of(
    st.binary(max_size=60),
    st.binary(max_size=60).map(lambda raw: b"k8s\0" + raw),
    st.sampled_from(
        [
            b"",
            b"null",
            b"[]",
            b'"x"',
            b"{",
            b"[" * 5000,
            b'{"a":' * 5000,
            b"- " * 3000,
            b"&a [*a]",
            b'{"kind":"Status"}',
            b"k8s\0" + b"\x0a" * 300,
        ]
    ),
)


def yaml_or_json(value: Any) -> bytes:
    """A value as a body; integers beyond 64 bits as Python writes them."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return yaml.safe_dump(value).encode()


@st.composite
def requests(draw: st.DrawFn, surface: Surface) -> tuple[Any, ...]:
    resource, api_version, kind, schema = draw(st.sampled_from(surface.resources))
    name = draw(st.sampled_from(NAMES))
    ending = draw(st.sampled_from(["", f"/{name}", f"/{name}", f"/{name}/status", f"/{name}/scale", f"/{name}/token"]))
    method = draw(st.sampled_from(METHODS[:5] if draw(st.integers(0, 9)) else METHODS))
    if method in ("POST",) and draw(st.integers(0, 4)):
        ending = ""
    path = (resource + ending).encode()
    if not draw(st.integers(0, 7)):
        path = b"/".join([*path.split(b"/")[: draw(st.integers(0, 6))], *draw(st.lists(SEGMENT, max_size=3))])
    query = draw(QUERY) if draw(st.booleans()) else b""
    type_ = draw(st.sampled_from(TYPES[3:] if method == "PATCH" else TYPES[:2]))
    if not draw(st.integers(0, 9)):
        type_ = draw(st.sampled_from([*TYPES, "", "text/plain", "application/json;charset=x"]))
    if method == "PATCH" and "apply" in type_:
        query += b"&fieldManager=fuzz"
    body = draw(GARBAGE) if not draw(st.integers(0, 7)) else b""
    if not body and method == "PATCH" and "json-patch" in type_:
        body = draw(JSON_PATCHES)
    elif not body:
        chance = random.Random(draw(st.integers(0, 1 << 32)))
        made = object_of(api_version, kind, name, schema, chance)
        if method == "PATCH" and "apply" not in type_ and isinstance(made, dict) and draw(st.booleans()):
            made.pop("metadata", None)
        body = yaml_or_json(made)
    headers = [(b"content-type", type_.encode()), *draw(HEADERS)]
    return method, path, query, headers, body, draw(st.integers(1, 3))


@st.composite
def edits(draw: st.DrawFn, surface: Surface) -> tuple[Any, ...]:
    """A change to an object that exists, right in most fields."""
    collection, obj = draw(st.sampled_from(surface.seeds))
    surface.restore(collection, obj)
    name = obj["metadata"]["name"]
    path = f"{collection}/{name}{draw(st.sampled_from(['', '', '', '/status', '/scale', '/finalize']))}".encode()
    method = draw(st.sampled_from(["PUT", "PATCH", "PATCH", "PATCH", "GET", "DELETE"]))
    query = draw(QUERY) if not draw(st.integers(0, 3)) else b""
    chance = random.Random(draw(st.integers(0, 1 << 32)))
    made = damaged(obj, chance, draw(st.sampled_from([0.01, 0.05, 0.2])))
    type_ = draw(st.sampled_from(PATCHES if method == "PATCH" else ["json", "yaml"]))
    if method == "PATCH" and "apply" in type_:
        query += b"&fieldManager=fuzz" + draw(st.sampled_from([b"", b"&force=true"]))
    elif method == "PATCH" and isinstance(made, dict):
        made = {key: value for key, value in made.items() if chance.random() < 0.5}
    body = draw(JSON_PATCHES) if type_ == "json-patch+json" else yaml_or_json(made)
    if method in ("GET", "DELETE") and draw(st.booleans()):
        body = b""
    return method, path, query, [(b"content-type", f"application/{type_}".encode()), *draw(HEADERS)], body, 1


def check(surface: Surface, request: tuple[Any, ...]) -> None:
    code, body = surface.wire.send(*request)
    assert fault(request[0], code, body) is None


SLOW = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)


@settings(SLOW, max_examples=600, derandomize=True)
@given(data=st.data())
def test_whatever_is_sent_is_answered(surface: Surface, data: st.DataObject) -> None:
    check(surface, data.draw(st.one_of(requests(surface), edits(surface))))


@pytest.mark.soak
@settings(SLOW, max_examples=60_000)
@given(data=st.data())
def test_whatever_is_sent_is_answered_for_long(surface: Surface, data: st.DataObject) -> None:
    check(surface, data.draw(st.one_of(requests(surface), edits(surface))))


@settings(SLOW, max_examples=300, derandomize=True)
@given(
    file=st.sampled_from(BODIES),
    edits=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=3)), max_size=5),
    cut=st.floats(0, 1),
)
def test_damaged_protobuf_is_refused(surface: Surface, file: Path, edits: Any, cut: float) -> None:
    body = bytearray(file.read_bytes())
    for where, patch in edits:
        at = int(where * len(body))
        body[at : at + len(patch)] = patch
    if cut < 0.5:
        del body[int(cut * 2 * len(body)) :]
    headers = [(b"content-type", b"application/vnd.kubernetes.protobuf")]
    for path in (b"/apis/apps/v1/namespaces/default/deployments", b"/api/v1/namespaces/default/secrets"):
        check(surface, ("POST", path, b"", headers, bytes(body), 1))
