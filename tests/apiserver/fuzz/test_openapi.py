"""What the server publishes about itself holds: every operation of its OpenAPI documents, called in many ways.

Paths, parameters, bodies and media types are taken from the documents, as a client's generator would,
and bent. The answer is a Status with the right code, or what the operation announces.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .bodies import Components, damaged, object_of
from .test_surface import ACCEPTS, DEFINITION, JSON_PATCHES, NAMES, SLOW, WORDS, yaml_or_json
from .wire import Wire, fault

FORMS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList", "Status", "DeleteOptions")
"""Kinds that an answer may have beside the announced one."""
ANY_BODY = ("application/json", "application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "*/*")
JSON = [(b"content-type", b"application/json")]
DEFINITION_BODY = orjson.dumps(DEFINITION)


class Operation(msgspec.Struct, frozen=True):
    """An operation of a document. ``answers`` is the kind of its answer."""

    method: str
    path: str
    parameters: tuple[Mapping[str, Any], ...]
    media_types: tuple[str, ...]
    api_version: str
    kind: str
    answers: str
    schema: Mapping[str, Any]
    components: Components


class Documents:
    """A server and the operations that it publishes."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.wire.send("POST", b"/apis/apiextensions.k8s.io/v1/customresourcedefinitions", b"", JSON, DEFINITION_BODY)
        self.operations = [operation for path in self._index() for operation in self._operations(path)]
        assert len(self.operations) > 300
        assert {operation.method for operation in self.operations} == {"GET", "POST", "PUT", "PATCH", "DELETE"}

    def _index(self) -> Iterator[str]:
        _, body = self.wire.send("GET", b"/openapi/v3")
        for entry in orjson.loads(body)["paths"].values():
            yield entry["serverRelativeURL"]

    def _operations(self, url: str) -> Iterator[Operation]:
        path, _, query = url.partition("?")
        _, body = self.wire.send("GET", path.encode(), query.encode())
        document = orjson.loads(body)
        components = document["components"]["schemas"]
        for template, item in document["paths"].items():
            for method in item.keys() - {"parameters"}:
                yield _operation(method, template, item, components)


def _operation(method: str, template: str, item: Mapping[str, Any], components: Components) -> Operation:
    made = item[method]
    identity = made["x-kubernetes-group-version-kind"]
    content = made.get("requestBody", {}).get("content", {})
    schema = next((media["schema"] for media in content.values()), {})
    (answer,) = made["responses"].values()
    result = components[answer["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]]
    group = f"{identity['group']}/" if identity["group"] else ""
    return Operation(
        method.upper(),
        template,
        (*item.get("parameters", ()), *made.get("parameters", ())),
        tuple(content),
        group + identity["version"],
        identity["kind"],
        result.get("x-kubernetes-group-version-kind", [{"kind": "Status"}])[0]["kind"],
        schema,
        components,
    )


@pytest.fixture(scope="module")
def documents() -> Iterator[Documents]:
    documents = Documents()
    yield documents
    documents.wire.close()


VALUES = {
    "boolean": st.sampled_from(["true", "false", "1", "", "maybe"]),
    "integer": st.sampled_from(["0", "1", "500", "-1", "9" * 30, "x", ""]),
    "string": st.one_of(st.sampled_from(WORDS), st.text(max_size=5)),
}


@st.composite
def calls(draw: st.DrawFn, documents: Documents) -> tuple[Operation, tuple[Any, ...]]:
    operation = draw(st.sampled_from(documents.operations))
    name = draw(st.sampled_from(NAMES))
    namespace = draw(st.sampled_from(["default", "default", "default", "none", "a b/c", "%"]))
    path = operation.path.replace("{name}", quote(name, safe="")).replace("{namespace}", quote(namespace, safe=""))
    query = [
        f"{parameter['name']}={quote(draw(VALUES[parameter['schema']['type']]), safe='')}"
        for parameter in operation.parameters
        if parameter["in"] == "query" and not draw(st.integers(0, 5))
    ]
    chance = random.Random(draw(st.integers(0, 1 << 32)))
    type_, body = "", b""
    if operation.media_types:
        type_ = draw(st.sampled_from(operation.media_types))
        type_ = draw(st.sampled_from(ANY_BODY)) if type_ == "*/*" else type_
        made = object_of(operation.api_version, operation.kind, name, operation.schema, chance, operation.components)
        made = damaged(made, chance, 0.1) if draw(st.booleans()) else made
        body = draw(JSON_PATCHES) if "json-patch" in type_ else yaml_or_json(made)
        if "apply" in type_:
            query.append("fieldManager=fuzz")
    headers = [(b"content-type", type_.encode()), (b"accept", draw(st.sampled_from(ACCEPTS)).encode())]
    return operation, (operation.method, path.encode(), "&".join(query).encode(), headers, body, 1)


def check(documents: Documents, operation: Operation, request: tuple[Any, ...]) -> None:
    code, body = documents.wire.send(*request)
    assert fault(request[0], code, body) is None
    watching = b"watch" in request[2] or b"sendInitialEvents" in request[2]
    if code < 300 and body[:1] == b"{" and not watching:
        assert orjson.loads(body)["kind"] in (operation.answers, operation.kind, f"{operation.kind}List", *FORMS)


@settings(SLOW, max_examples=400, derandomize=True)
@given(data=st.data())
def test_every_operation_answers_as_announced(documents: Documents, data: st.DataObject) -> None:
    check(documents, *data.draw(calls(documents)))


@pytest.mark.soak
@settings(SLOW, max_examples=60_000)
@given(data=st.data())
def test_every_operation_answers_as_announced_for_long(documents: Documents, data: st.DataObject) -> None:
    check(documents, *data.draw(calls(documents)))


def test_every_operation_answers_a_plain_call(documents: Documents) -> None:
    chance = random.Random(1)
    for operation in documents.operations:
        path = operation.path.replace("{name}", "a").replace("{namespace}", "default").encode()
        body, query = b"", b"fieldManager=fuzz" if operation.method == "PATCH" else b""
        if operation.media_types and operation.method != "DELETE":
            made = object_of(operation.api_version, operation.kind, "a", operation.schema, chance, operation.components)
            body = yaml_or_json(made)
        type_ = (operation.media_types or ("",))[-1].replace("*/*", "application/json")
        check(documents, operation, (operation.method, path, query, [(b"content-type", type_.encode())], body, 1))
