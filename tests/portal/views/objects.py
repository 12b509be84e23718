"""Objects for views."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from echelon.api.cluster import MemberCluster
from echelon.api.fleet import Gate, UpdateRun
from echelon.api.meta import format_time, from_dict

NOW = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)


def at(seconds: float) -> str:
    """A moment so many seconds before (or after) now, as objects write it."""
    return format_time(NOW + timedelta(seconds=seconds))


def member(
    name: str, *, version: str = "v1.30.4", image: str = "", beat: float = -10, **conditions: str
) -> MemberCluster:
    """A member that has joined and is healthy, unless ``conditions`` say otherwise."""
    states = {"Joined": "True", "Healthy": "True"} | conditions
    images = {"fleet.echelon.dev/node-images": {"value": image, "observationTime": at(-60)}} if image else {}
    return from_dict(
        MemberCluster,
        {
            "metadata": {"name": name, "creationTimestamp": at(-3600)},
            "spec": {"identity": {"kind": "User", "name": "agent"}},
            "status": {
                "conditions": [
                    {"type": type_, "status": status, "reason": "R", "lastTransitionTime": at(-3600)}
                    for type_, status in states.items()
                ],
                "properties": {
                    "k8s.io/k8s-version": {"value": version, "observationTime": at(-60)},
                    **images,
                },
                "agentStatus": [{"type": "MemberAgent", "lastReceivedHeartbeat": at(beat)}],
            },
        },
    )


def run(name: str, state: str, stages: list[dict[str, Any]], **more: Any) -> UpdateRun:
    """An update run with a status."""
    return from_dict(
        UpdateRun,
        {
            "metadata": {"name": name, "creationTimestamp": at(-3600)},
            "spec": {
                "managedClusterUpdate": {"upgrade": {"type": "Full", "kubernetesVersion": "1.31.1"}},
                "state": more.pop("wanted", "Run"),
            },
            "status": {"state": state, "stages": stages, **more},
        },
    )


def stage(name: str, state: str, members: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A stage of one group, ``<name>-group``."""
    group = {"name": f"{name}-group", "state": state, "members": members, "maxConcurrency": 1}
    return {"name": name, "state": state, "groups": [group], **more}


def gate(name: str, run_name: str, stage_name: str, **more: Any) -> Gate:
    """A gate after a stage."""
    target = {"updateRun": run_name, "stage": stage_name, "timing": more.pop("timing", "After")}
    return from_dict(
        Gate,
        {
            "metadata": {"name": name, "creationTimestamp": at(-60)},
            "spec": {"gateType": "Approval", "displayName": "Looks good", "target": target},
            "status": more,
        },
    )
