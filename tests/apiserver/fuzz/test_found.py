"""What fuzzing found, and what it might find: each once by name, with the answer that is wanted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .wire import Wire, fault

MAPS = b"/api/v1/namespaces/default/configmaps"
ONE = MAPS + b"/a"
DEPLOYMENTS = b"/apis/apps/v1/namespaces/default/deployments"
DEEP = 100_000
BOMB = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (letter, letter, b",".join([b"*%c" % (letter - 1)] * 9)) for letter in b"bcdefghi"
)


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    wire = Wire()
    wire.send("POST", MAPS, b"", [(b"content-type", b"application/json")], config_map(b'"data":{"k":"v"}'))
    yield wire
    wire.close()


def config_map(rest: bytes) -> bytes:
    return b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},' + rest + b"}"


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


@pytest.mark.parametrize("type_", ["json", "yaml"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"\x00",
        b"[" * DEEP,
        b"[" * DEEP + b"]" * DEEP,
        config_map(b'"data":' + nested(200)),
        config_map(b'"data":' + nested(DEEP)),
        b'{"apiVersion":1,"kind":[],"metadata":"x"}',
        b'{"apiVersion":{"a":1},"kind":"ConfigMap"}',
        b'{"kind":"ConfigMap","metadata":{"name":"\\ud800"}}',
        b'{"kind":"ConfigMap","metadata":{"name":"\\u0000"}}',
        config_map(b'"data":{"a":99999999999999999999999999}'),
        config_map(b'"data":{"a":' + b"9" * 5000 + b"}"),
    ],
    ids=lambda body: repr(body[:40]),
)
def test_bodies_that_cannot_be_read(wire: Wire, type_: str, body: bytes) -> None:
    code, answer = wire.send("POST", MAPS, b"", [(b"content-type", f"application/{type_}".encode())], body)
    assert fault("POST", code, answer) is None
    assert code in (400, 422)


@pytest.mark.parametrize(
    "body",
    [
        BOMB,
        b"&a [*a]",
        b"a: &a {b: *a}",
        b"- " * DEEP,
        b"? {a: b}\n: c",
        b"a: !!python/object:os.system x",
        b"<<: [1, 2]",
        b"a: b\n---\nc: d",
        b"a: " + b"9" * 5000,
    ],
    ids=lambda body: repr(body[:40]),
)
def test_yaml_that_is_more_than_it_seems(wire: Wire, body: bytes) -> None:
    code, answer = wire.send("POST", MAPS, b"", [(b"content-type", b"application/yaml")], body)
    assert fault("POST", code, answer) is None
    assert code == 400


@pytest.mark.parametrize(
    ("type_", "body"),
    [
        ("merge-patch+json", b'{"apiVersion":null}'),
        ("merge-patch+json", b'{"kind":"Secret"}'),
        ("merge-patch+json", b'{"kind":5}'),
        ("merge-patch+json", b'{"metadata":null}'),
        ("merge-patch+json", b'{"metadata":{"labels":[]}}'),
        ("merge-patch+json", nested(500)),
        ("strategic-merge-patch+json", b'{"$patch":1}'),
        ("strategic-merge-patch+json", b'{"$setElementOrder/x":1}'),
        ("strategic-merge-patch+json", nested(2000)),
        ("json-patch+json", b"[1]"),
        ("json-patch+json", b'[{"op":1,"path":2}]'),
        ("json-patch+json", b'[{"op":"remove","path":"/metadata"}]'),
        ("json-patch+json", b'[{"op":"add","path":"/data","value":' + nested(120) + b"}" + b"]"),
        ("json-patch+json", b"[" + b",".join([b'{"op":"copy","from":"/data","path":"/data/k"}'] * 300) + b"]"),
        ("apply-patch+yaml", b'{"apiVersion":"v1","kind":"ConfigMap","metadata":null}'),
        ("apply-patch+yaml", config_map(b'"data":{"a":5}')),
        ("apply-patch+yaml", config_map(b'"data":[]')),
        ("apply-patch+yaml", b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: &a {b: *a}"),
    ],
    ids=lambda given: repr(given[:60]),
)
def test_patches(wire: Wire, type_: str, body: bytes) -> None:
    query = b"fieldManager=fuzz" if "apply" in type_ else b""
    code, answer = wire.send("PATCH", ONE, query, [(b"content-type", f"application/{type_}".encode())], body)
    assert fault("PATCH", code, answer) is None
    assert b'"kind":"ConfigMap"' in wire.send("GET", ONE)[1]


@pytest.mark.parametrize(
    "query",
    [
        b"limit=" + b"9" * 5000,
        b"limit=99999999999999999999",
        b"resourceVersion=" + b"9" * 5000,
        b"resourceVersion=99999999999999999999999",
        b"timeoutSeconds=" + b"9" * 5000,
        b"timeout=x",
        b"timeout=5",
        b"timeout=1parsec",
        b"labelSelector=a in (",
        b"fieldSelector=a",
        b"continue=x",
    ],
    ids=lambda query: repr(query[:40]),
)
def test_queries(wire: Wire, query: bytes) -> None:
    code, answer = wire.send("GET", MAPS, query)
    assert fault("GET", code, answer) is None
    assert code == 400


@pytest.mark.parametrize(
    "body",
    [b"[]", b'{"kind":5}', b'{"preconditions":5}', b'{"preconditions":{"uid":5}}', b'{"gracePeriodSeconds":"x"}'],
)
def test_delete_options(wire: Wire, body: bytes) -> None:
    headers = [(b"content-type", b"application/json")]
    code, answer = wire.send("DELETE", ONE, b"dryRun=All", headers, body)
    assert fault("DELETE", code, answer) is None
    assert code in (400, 422)


@pytest.mark.parametrize(
    "path", [b"", b"/", b"//", b"/api//", b"/%", b"/%zz", b"/%ff", b"/api/v1/namespaces/%00/pods", b"/a" * 3000]
)
@pytest.mark.parametrize("method", ["GET", "POST", "FOO"])
def test_paths(wire: Wire, method: str, path: bytes) -> None:
    code, answer = wire.send(method, path)
    assert fault(method, code, answer) is None
