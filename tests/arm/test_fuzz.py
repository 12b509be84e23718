"""Whatever is asked of the face, it answers: never with a failure of its own, and refusals in ARM's form.

Every route is asked, with names, queries and headers that nobody should send, and with bodies that are nearly
right. Afterwards the fleet is as it was.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import quote

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from echelon.api.meta import SystemClock
from echelon.arm.around import Surroundings
from echelon.arm.clusters import ManagedClusters
from echelon.arm.directory import Directory
from echelon.arm.routes import FLEET_ROUTES
from echelon.arm.signing_in import SigningIn

from ..processes import HubProcess
from .conftest import SUBSCRIPTION
from .wire import VERSION, Wire

NOBODY = cast(Directory, None)
SIGNING_IN = SigningIn(NOBODY, SystemClock())
AROUND = (Surroundings(NOBODY), ManagedClusters(NOBODY), SIGNING_IN)
OPEN = {"/metadata/endpoints", *(route.template for route in SIGNING_IN.routes())}
ROUTES = sorted(
    {(route.method, route.template) for route in FLEET_ROUTES}
    | {(route.method, route.template) for part in AROUND for route in part.routes()}
)
KNOWN = {
    "subscription": [SUBSCRIPTION, SUBSCRIPTION.upper()],
    "group": ["demo", "DEMO", "fuzz"],
    "fleet": ["fleet", "FLEET", "none"],
    "name": ["member1", "fuzz", "none"],
    "location": ["local"],
    "namespace": ["Microsoft.ContainerService"],
}
WORDS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["...", "%2F", "%00", "a" * 300, "ünï", "$", "*", "?x=1", "{}", "-", "_"]),
)
STRATEGY = {"stages": [{"name": "s", "groups": [{"name": "g", "maxConcurrency": "1"}], "afterStageWaitInSeconds": 1}]}
SAMPLES: list[Any] = [
    {"properties": {"strategy": STRATEGY}},
    {
        "properties": {
            "managedClusterUpdate": {
                "upgrade": {"type": "Full", "kubernetesVersion": "1.30.4"},
                "nodeImageSelection": {"type": "Latest"},
            },
            "strategy": STRATEGY,
        }
    },
    {"properties": {"channel": "Stable", "nodeImageSelection": {"type": "Latest"}, "disabled": True}},
    {"properties": {"group": "g", "labels": {"a": "b"}, "clusterResourceId": "/subscriptions/x"}},
    {"properties": {"state": "Completed"}},
    {"targets": [{"type": "Group", "name": "g"}]},
    {"location": "eastus", "tags": {"a": "b"}, "identity": {"type": "None"}, "properties": {"hubProfile": {}}},
    {
        "location": "eastus",
        "tags": {},
        "properties": {"kubernetesVersion": "1.30", "agentPoolProfiles": [{"name": "p"}]},
    },
]
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=6,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in a value with each key in it."""
    keys: Any = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [found for key in keys for found in [(value, key), *places(value[key])]]


@st.composite
def nearly_right(draw: st.DrawFn) -> Any:
    body = copy.deepcopy(draw(st.sampled_from(SAMPLES)))
    for _ in range(draw(st.integers(1, 2))):
        if found := places(body):
            container, key = draw(st.sampled_from(found))
            container[key] = draw(JSON)
    return body


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, str, dict[str, str], dict[str, str], bytes | None]:
    method, template = draw(st.sampled_from(ROUTES))
    segments = []
    for segment in template.split("/"):
        if segment.startswith("{"):
            name = draw(st.one_of(st.sampled_from(KNOWN.get(segment[1:-1], ["x"])), WORDS))
            segment = "x" if name in (".", "..") else quote(name, safe="%")  # clients resolve those themselves
        segments.append(segment)
    query = {"api-version": draw(st.one_of(st.just(VERSION), st.just(VERSION), st.text(max_size=12)))}
    if draw(st.booleans()):
        query[draw(st.sampled_from(["$top", "$skipToken", "$filter", "s"]))] = draw(WORDS)
    headers = {}
    if draw(st.booleans()):
        latin = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)
        headers[draw(st.sampled_from(["If-Match", "If-None-Match", "Content-Type", "Accept"]))] = draw(latin)
    body: bytes | None = None
    if method not in ("GET", "HEAD", "DELETE"):
        whole = st.one_of(nearly_right(), nearly_right(), JSON).map(json.dumps).map(str.encode)
        body = draw(st.one_of(whole, whole, whole, st.binary(max_size=20), st.none()))
    return method, "/".join(segments), query, headers, body


@pytest.fixture(scope="module")
def admin(hub: HubProcess) -> Iterator[Wire]:
    wire = Wire(hub, (hub.data / "admin-token").read_text())
    yield wire
    wire.close()


def check(method: str, answer: requests.Response) -> None:
    assert answer.status_code < 500, (method, answer.url, answer.text)
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        assert "/device" in answer.url  # the page where people sign in
    elif answer.status_code >= 400 and method != "HEAD":
        assert answer.headers["Content-Type"].startswith("application/json"), answer.url
        error = answer.json()["error"]
        if isinstance(error, dict):  # sign-in has the form of OAuth
            assert error["code"], answer.text
            assert error["message"], answer.text


def ask(wire: Wire, call: tuple[str, str, dict[str, str], dict[str, str], bytes | None]) -> None:
    method, path, query, headers, body = call
    headers = {"Content-Type": "application/json", **headers} if body else headers
    check(method, wire(method, path, version=None, data=body, headers=headers, **query))


def names(wire: Wire) -> list[str]:
    return [member["name"] for member in wire("GET", "members").json()["value"]]


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(calls())
def test_every_question_has_an_answer(
    admin: Wire, call: tuple[str, str, dict[str, str], dict[str, str], bytes | None]
) -> None:
    if call[0] == "DELETE" and "member1" in call[1]:
        return  # the other tests need it
    ask(admin, call)
    assert "member1" in names(admin)


@pytest.mark.soak
@settings(max_examples=5000, deadline=None, suppress_health_check=list(HealthCheck))
@given(calls())
def test_every_question_has_an_answer_for_long(
    admin: Wire, call: tuple[str, str, dict[str, str], dict[str, str], bytes | None]
) -> None:
    if call[0] != "DELETE":
        ask(admin, call)


def test_a_stranger_is_never_let_in(hub: HubProcess) -> None:
    """Every route but those that lead to sign-in asks who it is."""
    stranger = Wire(hub, "")
    for method, template in ROUTES:
        if template in OPEN:
            continue
        path = template
        for key in ("subscription", "group", "fleet"):
            path = path.replace(f"{{{key}}}", KNOWN[key][0])
        while "{" in path:
            path = path[: path.index("{")] + "x" + path[path.index("}") + 1 :]
        answer = stranger(method, path)
        assert answer.status_code == 401, (method, path, answer.text)
    stranger.close()
