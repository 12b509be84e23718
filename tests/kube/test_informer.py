"""What an informer holds, and tells, as events, lists and observed writes come in any order."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from echelon.api.meta import ObjectMeta
from echelon.kube.client import Client
from echelon.kube.informer import Change, Informer
from echelon.kube.kinds import kind_of
from echelon.kube.testing import FakeServer, Widget, WidgetSpec

pytestmark = pytest.mark.looptime

WIDGETS = "/apis/test.echelon.dev/v1/namespaces/one/widgets"


def widget(name: str, version: int, *, uid: str = "u", size: int = 0, **metadata: object) -> Widget:
    meta = ObjectMeta(name=name, namespace="one", uid=uid, resource_version=str(version), **metadata)  # type: ignore[arg-type]
    return Widget(metadata=meta, spec=WidgetSpec(size=size))


@pytest.fixture
def informer(client: Client) -> Informer[Widget]:
    return Informer(client, kind_of(Widget), rng=Random(1))


@pytest.fixture
def told(informer: Informer[Widget]) -> list[str]:
    told: list[str] = []

    def handle(change: Change[Widget]) -> None:
        metadata = change.object.metadata
        told.append(f"{change.type} {metadata.name} {metadata.resource_version}{' initial' * change.initial}")

    informer.add_handler(handle)
    return told


async def test_objects_are_read_by_key_namespace_and_index(client: Client, server: FakeServer) -> None:
    server.put(f"{WIDGETS}/a", {"spec": {"size": 1}})
    server.put("/apis/test.echelon.dev/v1/namespaces/two/widgets/a", {"spec": {"size": 1}})
    informer = Informer(client, kind_of(Widget))
    informer.add_index("size", lambda obj: [str(obj.spec.size)])
    assert not informer.has_synced
    task = asyncio.create_task(informer.run())
    await informer.wait_for_sync()
    found = informer.get(("one", "a"))
    assert found is not None
    assert found.key == ("one", "a")
    assert informer.get(("one", "b")) is None
    assert len(informer.list()) == 2
    assert [obj.key for obj in informer.list("two")] == [("two", "a")]
    assert len(informer.by_index("size", "1")) == 2
    task.cancel()
    await asyncio.wait([task])


async def test_late_handler_gets_what_is_there(informer: Informer[Widget]) -> None:
    informer.replace([widget("a", 1)], "1")
    changes: list[Change[Widget]] = []
    informer.add_handler(changes.append)
    assert [(change.type, change.initial) for change in changes] == [("ADDED", True)]


async def test_relist_tells_what_was_missed(informer: Informer[Widget], told: list[str]) -> None:
    informer.replace([widget("a", 1), widget("b", 2), widget("c", 3)], "3")
    informer.replace([widget("a", 1), widget("b", 5), widget("d", 6)], "6")
    assert told == [
        "ADDED a 1 initial",
        "ADDED b 2 initial",
        "ADDED c 3 initial",
        "DELETED c 3",
        "MODIFIED b 5",
        "ADDED d 6",
    ]


async def test_object_made_anew_under_its_name_is_first_deleted(informer: Informer[Widget], told: list[str]) -> None:
    informer.replace([widget("a", 1)], "1")
    informer.replace([widget("a", 5, uid="other")], "5")
    assert told[1:] == ["DELETED a 1", "ADDED a 5"]


async def test_older_events_are_passed_over(informer: Informer[Widget], told: list[str]) -> None:
    informer.replace([], "1")
    informer.observe(widget("a", 5))
    informer.changed("ADDED", widget("a", 3))
    informer.changed("MODIFIED", widget("a", 5))
    informer.changed("MODIFIED", widget("a", 6))
    assert told == ["ADDED a 5", "MODIFIED a 6"]


async def test_deletion_older_than_what_is_held_is_passed_over(informer: Informer[Widget], told: list[str]) -> None:
    informer.replace([widget("a", 1)], "1")
    informer.observe(widget("a", 5, uid="other"))
    informer.changed("DELETED", widget("a", 3))
    assert informer.get(("one", "a")) is not None
    informer.changed("DELETED", widget("a", 6, uid="other"))
    assert informer.get(("one", "a")) is None


async def test_observed_write_is_not_resurrected(informer: Informer[Widget], told: list[str]) -> None:
    """The answer to a write may arrive after the watch has told of the object's deletion."""
    informer.replace([widget("a", 1)], "1")
    informer.changed("DELETED", widget("a", 7))
    informer.observe(widget("a", 5))
    assert informer.get(("one", "a")) is None
    informer.advanced("20")
    informer.observe(widget("b", 15))
    assert informer.get(("one", "b")) is None


async def test_list_from_before_an_observed_write_keeps_it(informer: Informer[Widget], told: list[str]) -> None:
    informer.replace([], "1")
    informer.observe(widget("a", 5))
    informer.observe(widget("b", 6))
    informer.replace([widget("b", 2)], "4")
    assert [obj.metadata.resource_version for obj in informer.list()] == ["5", "6"]
    informer.replace([], "6")
    assert informer.list() == []


async def test_list_after_the_server_lost_its_history_is_the_truth(informer: Informer[Widget], told: list[str]) -> None:
    informer.replace([widget("a", 50), widget("b", 60)], "60")
    informer.replace([widget("a", 2, uid="other")], "2")
    assert [obj.metadata.resource_version for obj in informer.list()] == ["2"]
    informer.changed("MODIFIED", widget("a", 3, uid="other"))
    assert told[2:] == ["DELETED b 60", "DELETED a 50", "ADDED a 2", "MODIFIED a 3"]


async def test_writes_that_do_not_match_are_not_taken(client: Client) -> None:
    chosen = Informer(client, kind_of(Widget), namespace="one", labels={"tier": "front"})
    chosen.replace([], "1")
    chosen.observe(widget("a", 5))
    chosen.observe(widget("b", 6, labels={"tier": "front"}))
    assert [obj.metadata.name for obj in chosen.list()] == ["b"]
    elsewhere = Informer(client, kind_of(Widget), namespace="two")
    elsewhere.replace([], "1")
    elsewhere.observe(widget("a", 5))
    assert elsewhere.list() == []


async def test_nothing_is_observed_before_the_first_list(informer: Informer[Widget]) -> None:
    informer.observe(widget("a", 5))
    assert informer.list() == []


async def test_failing_handler_does_not_keep_others_from_hearing(informer: Informer[Widget]) -> None:
    def fail(change: Change[Widget]) -> None:
        raise RuntimeError("a bug")

    heard: list[Change[Widget]] = []
    informer.add_handler(fail)
    informer.add_handler(heard.append)
    informer.replace([widget("a", 1)], "1")
    assert len(heard) == 1


async def test_deletions_during_an_outage_are_told(
    informer: Informer[Widget], told: list[str], server: FakeServer
) -> None:
    task = asyncio.create_task(informer.run())
    await informer.wait_for_sync()
    for name in "ab":
        server.put(f"{WIDGETS}/{name}", {})
    await asyncio.sleep(0.1)
    server.break_watches()
    server.remove(f"{WIDGETS}/a")
    server.compact()
    await asyncio.sleep(10)
    assert told == ["ADDED a 2", "ADDED b 3", "DELETED a 2"]
    task.cancel()
    await asyncio.wait([task])
