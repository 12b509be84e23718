"""The nouns of the command line: each a kind of the hub, the data that is printed of it, and its columns.

The data of an object are flat, in the words of ``az fleet``: its name, what was asked for, how it is. What Kubernetes
adds (managed fields, finalizers, versions) is left to kubectl.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.api.fleet import Gate, UpdateRun, UpdateStrategy
from echelon.api.meta import KubeObject
from echelon.api.upgrade import AutoUpgradeProfile

Plain = Mapping[str, Any]


class Noun(msgspec.Struct, frozen=True):
    """A noun: ``word`` in sentences, ``command`` as it is typed, the kind, and its data from an object as it is."""

    word: str
    command: str
    kind: type[KubeObject]
    view: Callable[[Plain], dict[str, Any]]
    columns: Sequence[str]
    row: Callable[[Plain], Sequence[str]]
    other_names: tuple[str, ...] = ()
    """Further spellings of ``--name``."""


def _base(found: Plain, state: str) -> dict[str, Any]:
    metadata = found["metadata"]
    leaving = "deletionTimestamp" in metadata
    return {
        "name": metadata["name"],
        "provisioningState": "Deleting" if leaving else state,
        "createdAt": metadata.get("creationTimestamp"),
    }


def _condition(found: Plain, type_: str) -> str:
    conditions = found.get("status", {}).get("conditions") or ()
    return next((condition["status"] for condition in conditions if condition["type"] == type_), "")


def _shown(value: object) -> str:
    return "" if value is None else str(value)


# -- members ------------------------------------------------------------------------------------


def member_view(found: Plain) -> dict[str, Any]:
    """A member."""
    metadata, status = found["metadata"], found.get("status", {})
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    properties = {key: value["value"] for key, value in (status.get("properties") or {}).items()}
    base = _base(found, _joined(found))
    if base["provisioningState"] == "Deleting":
        base["provisioningState"] = "Leaving"
    region = next(
        (labels[key] for key in ("topology.kubernetes.io/region", "fleet.azure.com/location") if key in labels), None
    )
    return base | {
        "clusterResourceId": annotations.get(names.CLUSTER_RESOURCE_ID),
        "group": labels.get(names.UPDATE_GROUP),
        "labels": {key: value for key, value in labels.items() if not key.startswith(_OURS)},
        "region": region,
        "kubernetesVersion": properties.get(names.KUBERNETES_VERSION),
        "nodeCount": _number(properties.get(names.NODE_COUNT)),
        "nodeImages": [text for text in properties.get(names.NODE_IMAGES, "").split(",") if text],
        "healthy": _condition(found, "Healthy") == "True",
        "maintenanceWindow": annotations.get(names.MAINTENANCE_WINDOW),
        "nodeImageMaintenanceWindow": annotations.get(names.NODE_IMAGE_MAINTENANCE_WINDOW),
    }


_OURS = (names.PREFIX, names.OWN_PREFIX)


def _joined(found: Plain) -> str:
    if _condition(found, "Joined") == "True":
        return "Succeeded"
    return "Failed" if _condition(found, "ReadyToJoin") == "False" else "Joining"


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _member_row(view: Plain) -> Sequence[str]:
    joined = {"Succeeded": "joined" if view["healthy"] else "unhealthy"}
    return (
        view["name"],
        _shown(view["group"]),
        _shown(view["region"]),
        _shown(view["kubernetesVersion"]),
        _shown(view["nodeCount"]),
        joined.get(view["provisioningState"], view["provisioningState"].lower()),
        " ".join(f"{key}={value}" for key, value in view["labels"].items() if "/" not in key),
    )


MEMBER = Noun(
    "member",
    "member",
    MemberCluster,
    member_view,
    ("NAME", "GROUP", "REGION", "KUBERNETES", "NODES", "STATE", "LABELS"),
    _member_row,
    ("--fleet-member-name",),
)

# -- runs ---------------------------------------------------------------------------------------


def run_view(found: Plain) -> dict[str, Any]:
    """An update run."""
    spec, status = found["spec"], found.get("status") or {"state": "NotStarted"}
    planned = _condition(found, "Initialized")
    state = {"True": "Succeeded", "False": "Failed"}.get(planned, "Creating")
    labels = found["metadata"].get("labels") or {}
    return _base(found, state) | {
        "managedClusterUpdate": spec["managedClusterUpdate"],
        "updateStrategyName": spec.get("updateStrategyName"),
        "strategy": spec.get("strategy") or status.get("strategy"),
        "autoUpgradeProfileName": labels.get(names.AUTO_UPGRADE_PROFILE),
        "requestedState": spec.get("state", "Initialize"),
        "attempt": spec.get("attempt", 0),
        "skips": spec.get("skips") or [],
        "status": {key: value for key, value in status.items() if key not in ("strategy", "planHash")},
    }


def upgrade_words(update: Plain) -> str:
    """What a run does to each member, in a few words."""
    upgrade, selection = update["upgrade"], update.get("nodeImageSelection") or {"type": "Latest"}
    images = {"Latest": "latest images", "Consistent": "the same images everywhere"}.get(
        selection["type"], "images by name"
    )
    match upgrade["type"]:
        case "Full":
            return f"Kubernetes {upgrade['kubernetesVersion']}, {images}"
        case "ControlPlaneOnly":
            return f"control planes to {upgrade['kubernetesVersion']}"
        case _:
            return f"nodes: {images}"


def members_of(status: Plain) -> list[Plain]:
    """The members in the status of a run."""
    return [
        member
        for stage in status.get("stages") or ()
        for group in stage.get("groups") or ()
        for member in group.get("members") or ()
    ]


def _run_row(view: Plain) -> Sequence[str]:
    status = view["status"]
    members = members_of(status)
    over = sum(member["state"] in ("Completed", "Skipped") for member in members)
    failed = sum(member["state"] == "Failed" for member in members)
    progressing = [found["message"] for found in status.get("conditions") or () if found["type"] == "Progressing"]
    error = (status.get("error") or {}).get("message", "")
    return (
        view["name"],
        upgrade_words(view["managedClusterUpdate"]),
        view["updateStrategyName"] or ("stages" if view["strategy"] else "one by one"),
        status["state"],
        f"{over}/{len(members)}" + (f" ({failed} failed)" if failed else ""),
        error or (progressing[0] if progressing and status["state"] not in ("Completed", "Skipped") else ""),
    )


RUN = Noun(
    "update run",
    "updaterun",
    UpdateRun,
    run_view,
    ("NAME", "UPGRADE", "ORDER", "STATE", "MEMBERS", "WHY"),
    _run_row,
    ("--update-run-name",),
)

# -- strategies ---------------------------------------------------------------------------------


def strategy_view(found: Plain) -> dict[str, Any]:
    """An update strategy."""
    return _base(found, "Succeeded") | {"strategy": found["spec"]["strategy"]}


def _strategy_row(view: Plain) -> Sequence[str]:
    stages = view["strategy"]["stages"]
    words = [
        f"{stage['name']} ({', '.join(group['name'] for group in stage.get('groups') or ()) or 'by label'})"
        for stage in stages
    ]
    return view["name"], str(len(stages)), " → ".join(words)


STRATEGY = Noun(
    "update strategy",
    "updatestrategy",
    UpdateStrategy,
    strategy_view,
    ("NAME", "STAGES", "ORDER"),
    _strategy_row,
    ("--update-strategy-name",),
)

# -- gates --------------------------------------------------------------------------------------


def gate_view(found: Plain) -> dict[str, Any]:
    """A gate."""
    spec, status = found["spec"], found.get("status") or {}
    return _base(found, "Succeeded") | {
        "displayName": spec.get("displayName", ""),
        "gateType": spec["gateType"],
        "target": spec["target"],
        "state": status.get("state", "Pending"),
        "scheduledStart": spec.get("scheduledStart"),
        "absoluteStartTime": status.get("absoluteStartTime"),
        "completedBy": status.get("completedBy"),
        "completedTime": status.get("completedTime"),
        "message": status.get("message", ""),
    }


def gate_place(target: Plain) -> str:
    """Where a gate stands, in words."""
    scope = f"group {target['group']}" if target.get("group") else f"stage {target['stage']}"
    return f"{target['timing'].lower()} {scope}"


def _gate_row(view: Plain) -> Sequence[str]:
    target = view["target"]
    until = f"opens {view['absoluteStartTime']}" if view["absoluteStartTime"] and view["state"] == "Pending" else ""
    by = f"by {view['completedBy']}" if view["completedBy"] else until
    return (
        view["name"],
        target["updateRun"],
        gate_place(target),
        view["displayName"],
        view["gateType"],
        view["state"],
        by,
    )


GATE = Noun(
    "gate",
    "gate",
    Gate,
    gate_view,
    ("NAME", "UPDATE RUN", "STANDS", "DISPLAY NAME", "TYPE", "STATE", ""),
    _gate_row,
    ("--gate-name", "--gate"),
)

# -- auto-upgrade profiles ----------------------------------------------------------------------


def profile_view(found: Plain) -> dict[str, Any]:
    """An auto-upgrade profile."""
    spec, status = found["spec"], found.get("status") or {}
    return _base(found, "Succeeded") | {
        "channel": spec["channel"],
        "updateStrategyName": spec.get("updateStrategyName"),
        "nodeImageSelection": spec.get("nodeImageSelection"),
        "targetKubernetesVersion": spec.get("targetKubernetesVersion"),
        "longTermSupport": spec.get("longTermSupport", False),
        "disabled": spec.get("disabled", False),
        "autoUpgradeProfileStatus": {key: value for key, value in status.items() if key != "conditions"},
    }


def _profile_row(view: Plain) -> Sequence[str]:
    status = view["autoUpgradeProfileStatus"]
    minor = f" {view['targetKubernetesVersion']}" if view["targetKubernetesVersion"] else ""
    return (
        view["name"],
        view["channel"] + minor,
        view["updateStrategyName"] or "one by one",
        "disabled" if view["disabled"] else "on",
        _shown(status.get("lastUpdateRun")),
        _shown(status.get("lastTriggerMessage")),
    )


PROFILE = Noun(
    "auto-upgrade profile",
    "autoupgradeprofile",
    AutoUpgradeProfile,
    profile_view,
    ("NAME", "CHANNEL", "ORDER", "STATE", "LAST RUN", "WHY"),
    _profile_row,
    ("--auto-upgrade-profile-name", "--profile-name"),
)
