"""Paths, verbs and bodies."""

from __future__ import annotations

from typing import Any

import pytest

from echelon.apiserver.errors import StatusError
from echelon.apiserver.request import Request, ResourcePath, parse_path, verb_of


@pytest.mark.parametrize(
    ("path", "parsed"),
    [
        ("api/v1/nodes", ResourcePath("", "v1", "", "nodes", "", "")),
        ("api/v1/nodes/n/status", ResourcePath("", "v1", "", "nodes", "n", "status")),
        ("api/v1/namespaces", ResourcePath("", "v1", "", "namespaces", "", "")),
        ("api/v1/namespaces/a", ResourcePath("", "v1", "", "namespaces", "a", "")),
        ("api/v1/namespaces/a/status", ResourcePath("", "v1", "", "namespaces", "a", "status")),
        ("api/v1/namespaces/a/finalize", ResourcePath("", "v1", "", "namespaces", "a", "finalize")),
        ("api/v1/namespaces/a/pods", ResourcePath("", "v1", "a", "pods", "", "")),
        ("api/v1/namespaces/a/pods/p/log", ResourcePath("", "v1", "a", "pods", "p", "log")),
        ("apis/apps/v1/deployments", ResourcePath("apps", "v1", "", "deployments", "", "")),
        ("apis/apps/v1/namespaces/a/deployments/d", ResourcePath("apps", "v1", "a", "deployments", "d", "")),
        ("api", None),
        ("api/v1", None),
        ("apis/apps/v1", None),
        ("version", None),
        ("api/v1/namespaces/a/pods/p/x/y", None),
        ("api/v1/namespaces/a/services/s/proxy/y", ResourcePath("", "v1", "a", "services", "s", "proxy/y")),
    ],
)
def test_paths(path: str, parsed: ResourcePath | None) -> None:
    assert parse_path(path.split("/")) == parsed


@pytest.mark.parametrize(
    ("method", "name", "query", "verb"),
    [
        ("GET", "", {}, "list"),
        ("GET", "", {"watch": "1"}, "watch"),
        ("GET", "", {"watch": "true"}, "watch"),
        ("GET", "", {"watch": "false"}, "list"),
        ("GET", "a", {"watch": "1"}, "get"),
        ("HEAD", "a", {}, "get"),
        ("POST", "", {}, "create"),
        ("PUT", "a", {}, "update"),
        ("PATCH", "a", {}, "patch"),
        ("DELETE", "a", {}, "delete"),
        ("DELETE", "", {}, "deletecollection"),
        ("OPTIONS", "", {}, ""),
    ],
)
def test_verbs(method: str, name: str, query: dict[str, str], verb: str) -> None:
    assert verb_of(method, ResourcePath("", "v1", "", "pods", name, ""), query) == verb


def request_of(path: str, *messages: dict[str, Any], root: str = "", raw: bool = True) -> Request:
    waiting = list(messages)

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    scope = {"method": "GET", "path": path, "root_path": root, "headers": [(b"accept", b"x")], "query_string": b"a=b"}
    if raw:
        scope["raw_path"] = path.encode()
    return Request(scope, receive)


def test_encoded_slashes_stay_in_their_segment() -> None:
    assert request_of("/api/v1/nodes/a%2Fb").segments == ["api", "v1", "nodes", "a/b"]
    assert request_of("/api/v1/nodes/a%b", raw=False).segments == ["api", "v1", "nodes", "a%b"]
    assert request_of("/mount/api", root="/mount").segments == ["api"]


def test_headers_and_query() -> None:
    request = request_of("/api")
    assert (request.header(b"accept"), request.header(b"absent"), request.query) == ("x", "", {"a": "b"})


async def test_bodies_in_pieces() -> None:
    first = {"type": "http.request", "body": b"a", "more_body": True}
    assert await request_of("/", first, {"type": "http.request", "body": b"b"}).body() == b"ab"
    with pytest.raises(StatusError):
        await request_of("/", first, {"type": "http.disconnect"}).body()
