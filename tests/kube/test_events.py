"""Events are recorded, repeated ones counted, and none of it is in anybody's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from echelon.api.meta import ObjectMeta
from echelon.kube.client import Client
from echelon.kube.events import CAPACITY, EventRecorder
from echelon.kube.metrics import EVENTS_DROPPED
from echelon.kube.testing import FakeServer, Refusal, Request, Widget

pytestmark = pytest.mark.looptime

WIDGET = Widget(metadata=ObjectMeta(name="a", namespace="one", uid="u1", resource_version="5"))
EVENTS = "/apis/events.k8s.io/v1/namespaces/one/events"


class LoopClock:
    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=asyncio.get_running_loop().time())


@pytest.fixture
async def recorder(client: Client) -> AsyncIterator[EventRecorder]:
    recorder = EventRecorder(client, "echelon.dev/test", "test-0", clock=LoopClock())
    task = asyncio.create_task(recorder.run())
    yield recorder
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_event_as_the_api_has_it(recorder: EventRecorder, server: FakeServer) -> None:
    recorder.event(WIDGET, "Normal", "Rolled", "Rolled out to three clusters.", action="Roll")
    await asyncio.sleep(0.1)
    (event,) = server.objects(EVENTS)
    assert event["metadata"]["name"].startswith("a.")
    wanted = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "echelon.dev/test",
        "reportingInstance": "test-0",
        "action": "Roll",
        "reason": "Rolled",
        "regarding": {
            "apiVersion": "test.echelon.dev/v1",
            "kind": "Widget",
            "namespace": "one",
            "name": "a",
            "uid": "u1",
        },
        "note": "Rolled out to three clusters.",
        "type": "Normal",
    }
    assert {field: event[field] for field in wanted} == wanted
    assert "series" not in event


async def test_dicts_and_cluster_scoped_objects(recorder: EventRecorder, server: FakeServer) -> None:
    recorder.event({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}, "Warning", "Gone", "It left.")
    await asyncio.sleep(0.1)
    (event,) = server.objects("/apis/events.k8s.io/v1/namespaces/default/events")
    assert event["regarding"] == {"apiVersion": "v1", "kind": "Node", "name": "n"}


async def test_repetitions_are_a_series(recorder: EventRecorder, server: FakeServer) -> None:
    for _ in range(100):
        recorder.event(WIDGET, "Warning", "Failed", "It does not work.")
        await asyncio.sleep(1)
    await asyncio.sleep(20)
    (event,) = server.objects(EVENTS)
    assert event["series"] == {"count": 100, "lastObservedTime": "2026-01-01T00:01:39.000000Z"}
    assert len(server.requests) <= 12
    await asyncio.sleep(400)
    recorder.event(WIDGET, "Warning", "Failed", "It does not work.")
    await asyncio.sleep(1)
    assert len(server.objects(EVENTS)) == 2


async def test_different_notes_are_different_events(recorder: EventRecorder, server: FakeServer) -> None:
    for note in ("one", "two"):
        recorder.event(WIDGET, "Normal", "Noted", note)
    await asyncio.sleep(1)
    assert sorted(event["note"] for event in server.objects(EVENTS)) == ["one", "two"]


async def test_series_whose_event_has_expired_is_made_anew(recorder: EventRecorder, server: FakeServer) -> None:
    recorder.event(WIDGET, "Normal", "Noted", "one")
    await asyncio.sleep(1)
    server.remove(f"{EVENTS}/{server.objects(EVENTS)[0]['metadata']['name']}")
    recorder.event(WIDGET, "Normal", "Noted", "one")
    await asyncio.sleep(20)
    assert server.objects(EVENTS)[0]["series"]["count"] == 2


async def test_refused_and_superfluous_events_are_dropped(recorder: EventRecorder, server: FakeServer) -> None:
    async def refuse(request: Request) -> None:
        raise Refusal(403, "Forbidden")

    def dropped() -> float:
        return EVENTS_DROPPED._value.get()

    before = dropped()
    server.faults.append(refuse)
    recorder.event(WIDGET, "Normal", "Noted", "refused")
    await asyncio.sleep(1)
    assert dropped() == before + 1
    for number in range(CAPACITY + 5):
        recorder.event(WIDGET, "Normal", "Noted", str(number))
    assert dropped() == before + 6


async def test_long_notes_are_cut(recorder: EventRecorder, server: FakeServer) -> None:
    recorder.event(WIDGET, "Normal", "Noted", "ä" * 2000)
    await asyncio.sleep(1)
    assert server.objects(EVENTS)[0]["note"] == "ä" * 512
