"""The roles that a hub offers to people: fleet administrators, viewers and application teams.

``python -m echelon.api.roles DIR`` writes them, a file a role; those under ``deploy/roles`` are checked
in, and a test keeps them equal to what is made here. Nobody has a role until it is given by a binding:
those of administrators and viewers in the whole cluster, that of a team in the team's namespace.

Three things keep a role as narrow as it looks.

* **What cannot be read cannot be read by way of the fleet.** Resource snapshots, Works and envelopes hold
  whole objects, Secrets among them, so a viewer sees none of them. A team sees the snapshots of its own
  namespace, whose Secrets it may read anyway.
* **What cannot be made on the hub cannot be made on members.** Agents may do everything on their member. A
  placement takes nothing there but what somebody could create on the hub; an envelope would take anything,
  so teams have none.
* **Approval is a right of its own**: to change ``approvalrequests/status``. Who wants four eyes gives a role
  without it.

The roles are put together from the roles that bear a label, as Kubernetes' ``admin``, ``edit`` and ``view``
are, and build on these: whoever adds kinds to a hub can add them to these roles as well.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from echelon.api import cluster, fleet, placement
from echelon.api.core import RBAC

FLEET_ADMIN: Final = "echelon:fleet-admin"
VIEWER: Final = "echelon:viewer"
TEAM: Final = "echelon:team"
MEMBER_VIEWER: Final = "echelon:member-viewer"

AGGREGATE_TO: Final = "rbac.fleet.echelon.dev/aggregate-to-"
_KUBERNETES: Final = "rbac.authorization.k8s.io/aggregate-to-"

Role = dict[str, Any]

_READ = ("get", "list", "watch")
_ALL = ("create", "delete", "deletecollection", "patch", "update", *_READ)
_CHANGE_STATUS = ("get", "patch", "update")

_TEAM_KINDS = ("resourceplacements", "stagedupdateruns", "stagedupdatestrategies", "resourceoverrides")
_TEAM_SEES = (
    *(f"{kind}/status" for kind in _TEAM_KINDS[:2]),
    "approvalrequests",
    "clusterresourceplacementstatuses",
    "resourcebindings",
    "resourceoverridesnapshots",
    "resourcesnapshots",
    "schedulingpolicysnapshots",
)
_VIEWER_SEES = (
    "approvalrequests",
    "clusterapprovalrequests",
    "clusterresourcebindings",
    "clusterresourceoverrides",
    "clusterresourceoverridesnapshots",
    "clusterresourceplacementdisruptionbudgets",
    "clusterresourceplacementevictions",
    "clusterresourceplacements",
    "clusterresourceplacementstatuses",
    "clusterschedulingpolicysnapshots",
    "clusterstagedupdateruns",
    "clusterstagedupdatestrategies",
    "resourcebindings",
    "resourceoverrides",
    "resourceoverridesnapshots",
    "resourceplacements",
    "schedulingpolicysnapshots",
    "stagedupdateruns",
    "stagedupdatestrategies",
)


def _rule(groups: str | Sequence[str], resources: Sequence[str], verbs: Sequence[str]) -> dict[str, list[str]]:
    listed = [groups] if isinstance(groups, str) else list(groups)
    return {"apiGroups": listed, "resources": list(resources), "verbs": list(verbs)}


_ADMIN_RULES = (
    _rule((placement.GROUP, cluster.GROUP, fleet.GROUP), ("*",), ("*",)),
    _rule("", ("namespaces",), _ALL),
    _rule("", ("nodes", "persistentvolumes"), _READ),
    _rule("apiextensions.k8s.io", ("customresourcedefinitions",), _ALL),
    _rule("scheduling.k8s.io", ("priorityclasses",), _ALL),
    _rule("storage.k8s.io", ("storageclasses",), _ALL),
)
_VIEWER_RULES = (
    _rule(placement.GROUP, _VIEWER_SEES, _READ),
    _rule((cluster.GROUP, fleet.GROUP), ("*",), _READ),
    _rule("", ("nodes", "persistentvolumes"), _READ),
    _rule(RBAC, ("clusterrolebindings", "clusterroles", "rolebindings", "roles"), _READ),
    _rule("apiextensions.k8s.io", ("customresourcedefinitions",), _READ),
    _rule("coordination.k8s.io", ("leases",), _READ),
    _rule("scheduling.k8s.io", ("priorityclasses",), _READ),
    _rule("storage.k8s.io", ("storageclasses",), _READ),
)
_TEAM_RULES = (
    _rule(placement.GROUP, _TEAM_KINDS, _ALL),
    _rule(placement.GROUP, _TEAM_SEES, _READ),
    _rule(placement.GROUP, ("approvalrequests/status",), _CHANGE_STATUS),
)
_MEMBER_VIEWER_RULES = (_rule(cluster.GROUP, ("memberclusters",), _READ),)


def manifests() -> tuple[Role, ...]:
    """All roles."""
    return (
        _whole(FLEET_ADMIN, f"{_KUBERNETES}admin", f"{AGGREGATE_TO}fleet-admin"),
        _part("fleet-admin", _ADMIN_RULES),
        _whole(VIEWER, f"{_KUBERNETES}view", f"{AGGREGATE_TO}viewer"),
        _part("viewer", _VIEWER_RULES),
        _whole(TEAM, f"{_KUBERNETES}edit", f"{AGGREGATE_TO}team"),
        _part("team", _TEAM_RULES),
        _role(MEMBER_VIEWER, _MEMBER_VIEWER_RULES),
    )


def _role(name: str, rules: Sequence[Mapping[str, Any]], labels: Mapping[str, str] | None = None) -> Role:
    metadata: dict[str, Any] = {"name": name} if labels is None else {"name": name, "labels": dict(labels)}
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": metadata,
        "rules": [dict(rule) for rule in rules],
    }


def _part(audience: str, rules: Sequence[Mapping[str, Any]]) -> Role:
    """A role whose rules become part of another one."""
    return _role(f"echelon:aggregate-to-{audience}", rules, {f"{AGGREGATE_TO}{audience}": "true"})


def _whole(name: str, *labels: str) -> Role:
    """A role put together from those that bear one of the labels; its rules are the cluster's to write."""
    selectors = [{"matchLabels": {label: "true"}} for label in labels]
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "aggregationRule": {"clusterRoleSelectors": selectors},
    }


def file_name(role: Role) -> str:
    """The file of a role: its name, without what all of them begin with."""
    name: str = role["metadata"]["name"]
    return f"{name.removeprefix('echelon:')}.yaml"


def write(folder: Path) -> None:
    """Write all roles into a folder and remove those that are no more."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {file_name(role): yaml.safe_dump(role, sort_keys=False, width=120) for role in manifests()}
    for stale in set(folder.glob("*.yaml")) - {folder / name for name in files}:
        stale.unlink()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m echelon.api.roles DIR")
    write(Path(sys.argv[1]))
