"""The status of objects on a member on its way back to the hub."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from echelon.api.meta import Resource
from echelon.kube.events import EVENT
from echelon.kube.kinds import Unstructured
from echelon.kube.patches import MergePatch
from echelon.kube.transport import Response
from echelon.placement.report_back import NOT_REPORTED

from .agents import FakeAgents
from .hub import Hub, RecordingTransport, stage
from .test_crash import Member

DEPLOYMENTS = Unstructured(Resource("apps", "v1", "deployments", "Deployment", namespaced=True))
READY = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}


async def deploy(hub: Hub, destination: str) -> None:
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "x", "image": "x"}]}}
    spec = {"selector": {"matchLabels": {"app": "x"}}, "template": template}
    await hub.create("apps/v1", "Deployment", "shop", "app", spec=spec)
    await hub.place()
    strategy = {"reportBackStrategy": {"type": "Mirror", "destination": destination}}
    await hub.edit(hub.scope.placement, "web", {"spec": {"strategy": strategy}})
    await hub.plan(stage("all", concurrency=10))
    await hub.start()


async def is_ready(member: Member, hub: Hub) -> None:
    await hub.until(lambda: hub.is_placement("Available", "False"))
    await member.admin.patch(DEPLOYMENTS, ("app", "shop"), MergePatch({"status": READY}), subresource="status")
    await hub.succeeded()


async def on_hub(hub: Hub) -> dict[str, Any]:
    found: dict[str, Any] = await hub.admin.get(DEPLOYMENTS, ("app", "shop"))
    return dict(found.get("status") or {})


def statuses(hub: Hub) -> list[Any]:
    (work,) = hub.works("a")
    found = [manifest.back_reported_status for manifest in work.status.manifest_conditions]
    return [msgspec.json.decode(each.observed_status)["status"] for each in found if each is not None]


async def test_status_comes_back_to_the_work(bare_hub: Hub, member: Member) -> None:
    hub = bare_hub
    await deploy(hub, "WorkAPI")
    await is_ready(member, hub)
    await hub.until(lambda: READY in statuses(hub))
    assert await on_hub(hub) == {}


async def test_status_comes_back_to_the_object(bare_hub: Hub, member: Member) -> None:
    hub = bare_hub
    await deploy(hub, "OriginalResource")
    await is_ready(member, hub)
    await hub.pass_time(5)
    assert await on_hub(hub) == READY
    assert list(hub.masters()) == ["web-0-snapshot"]
    fewer = {**READY, "availableReplicas": 0, "readyReplicas": None}
    await member.admin.patch(DEPLOYMENTS, ("app", "shop"), MergePatch({"status": fewer}), subresource="status")
    await hub.pass_time(5)
    assert "readyReplicas" not in await on_hub(hub)


async def test_no_longer_asked_for(bare_hub: Hub, member: Member) -> None:
    hub = bare_hub
    await deploy(hub, "WorkAPI")
    await is_ready(member, hub)
    await hub.until(lambda: statuses(hub))
    disabled = {"type": "Disabled", "destination": None}
    await hub.edit(hub.scope.placement, "web", {"spec": {"strategy": {"reportBackStrategy": disabled}}})
    await hub.until(lambda: not statuses(hub))
    assert hub.works("a")[0].spec.report_back_strategy is None


async def test_the_status_of_several_members_is_none_of_an_object(hub: Hub, agents: FakeAgents) -> None:
    await hub.join("a")
    await hub.join("b")
    await deploy(hub, "OriginalResource")
    await hub.succeeded()
    await hub.pass_time(5)
    assert await on_hub(hub) == {}
    told = [event for event in (await hub.admin.list(EVENT)).items if event["reason"] == NOT_REPORTED]
    assert [(event["type"], event["regarding"]["name"]) for event in told] == [("Warning", "web")]
    assert "is on 2 members" in told[0]["note"]


async def test_a_right_that_is_missing_is_told_and_tried_again(
    bare_hub: Hub, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, allowed = bare_hub, False
    request = RecordingTransport.request

    async def checked(self: RecordingTransport, method: str, path: str, **more: Any) -> Response:
        if (
            method == "PATCH"
            and path.endswith("/deployments/shop/status")
            and not allowed
            and self._user == "controllers"
        ):
            reason = {"kind": "Status", "reason": "Forbidden", "message": "no right to patch this", "code": 403}
            return Response(403, {}, msgspec.json.encode(reason))
        return await request(self, method, path, **more)

    monkeypatch.setattr(RecordingTransport, "request", checked)
    await deploy(hub, "OriginalResource")
    await is_ready(member, hub)
    await hub.pass_time(5)
    assert await on_hub(hub) == {}
    told = [event for event in (await hub.admin.list(EVENT)).items if event["reason"] == NOT_REPORTED]
    assert [event["note"] for event in told] == ["no right to patch this"]
    allowed = True
    await hub.pass_time(600)
    assert await on_hub(hub) == READY
