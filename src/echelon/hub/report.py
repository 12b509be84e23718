"""What is on a cluster of a hub, and what is wrong with it: read from the cluster alone, by one look.

Each problem comes with what to do about it: a command of ours (``command``, without the options that name the
cluster), or a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from echelon import __version__
from echelon.api import crds
from echelon.api.cluster import MemberCluster
from echelon.api.conditions import HEALTHY, JOINED, find_condition
from echelon.api.core import Lease
from echelon.api.meta import Resource, parse_time
from echelon.hub.install import is_available, kind_of_object
from echelon.hub.manifests import LEASE, NAME, SETTINGS_KEY
from echelon.hub.older import OLDEST, Version, suited, version_of
from echelon.hub.others import is_ours
from echelon.hub.rights import HUB_ROLE
from echelon.hub.settings import BadSettings, parse_settings
from echelon.kube.client import Client
from echelon.kube.crds import DEFINITIONS, is_established
from echelon.kube.errors import NotFound
from echelon.kube.kinds import KindLike, Unstructured

_PODS = Unstructured(Resource("", "v1", "pods", "Pod", namespaced=True))
_INSTALL = ("hub", "install")
_SINCE_1_31 = "selectableFields"  # Kubernetes before 1.31 drops it

Object = Mapping[str, Any]


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that is wrong, and what to do: the words of a command of ours, or advice."""

    what: str
    command: tuple[str, ...] = ()
    advice: str = ""


class Kinds(msgspec.Struct, frozen=True, kw_only=True):
    """The kinds of this version: how many are served as they should be, and the names of those that are not."""

    current: int
    missing: Sequence[str]
    outdated: Sequence[str]
    foreign: Sequence[str]


class Replicas(msgspec.Struct, frozen=True, kw_only=True):
    """The Deployment of a hub."""

    image: str
    wanted: int
    available: int


class Leader(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds the lease; ``leads`` when it was renewed in time."""

    name: str
    renewed: str
    leads: bool


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a hub. An embedded one has neither replicas nor settings on itself, nor an election."""

    namespace: str
    embedded: bool
    kubernetes: str
    version: str
    kinds: Kinds
    replicas: Replicas | None
    leader: Leader | None
    settings: str
    members: Mapping[str, str]
    problems: Sequence[Problem]


async def report(client: Client, namespace: str, now: datetime) -> Report:
    """Look at a cluster."""
    deployment = await _find(client, kind_of_object("Deployment"), namespace, NAME)
    lease = await _find(client, Lease, namespace, LEASE)
    settings = await _find(client, kind_of_object("ConfigMap"), namespace, NAME)
    kubernetes = (await client.version()).git_version
    kinds = kinds_of((await client.list(DEFINITIONS)).items, version_of(kubernetes) or OLDEST)
    members = await _members(client)
    text = "" if settings is None else (settings.get("data") or {}).get(SETTINGS_KEY, "")
    embedded = await _is_embedded(client)
    leader = None if lease is None else leader_of(lease, now)
    waiting = [] if deployment is None else await _waiting(client, namespace, deployment)
    problems = [
        *problems_of_kinds(kinds),
        *problems_of_replicas(deployment, waiting),
        *([] if embedded else problems_of_leader(leader)),
        *problems_of_settings(text, namespace),
        *problems_of_members(members),
    ]
    installed = any((kinds.current, kinds.outdated, deployment, lease, settings, embedded))
    return Report(
        namespace=namespace,
        embedded=embedded,
        kubernetes=kubernetes,
        version=__version__,
        kinds=kinds,
        replicas=None if deployment is None else _replicas(deployment),
        leader=leader,
        settings=text,
        members={member.metadata.name: state_of(member) for member in members},
        problems=problems if installed else [*problems_of_foreign(kinds), NOT_INSTALLED],
    )


NOT_INSTALLED = Problem(what="the cluster is no hub", command=_INSTALL)


async def _find(client: Client, kind: KindLike[Any], namespace: str, name: str) -> Any:
    try:
        return await client.get(kind, (namespace, name))
    except NotFound:
        return None


async def _is_embedded(client: Client) -> bool:
    """Whether the controllers are a user, as those in one process with an API server are, and no service account."""
    binding = await _find(client, kind_of_object("ClusterRoleBinding"), "", HUB_ROLE)
    return binding is not None and any(subject["kind"] == "User" for subject in binding.get("subjects") or ())


async def _members(client: Client) -> Sequence[MemberCluster]:
    try:
        return (await client.list(MemberCluster)).items
    except NotFound:
        return ()


async def _waiting(client: Client, namespace: str, deployment: Object) -> Sequence[str]:
    """Why pods of the hub do not run, each reason once."""
    if is_available(deployment):
        return ()
    labels = deployment["spec"]["selector"]["matchLabels"]
    pods = (await client.list(_PODS, namespace=namespace, labels=labels)).items
    states = [
        status.get("state", {}).get("waiting") or status.get("lastState", {}).get("terminated")
        for pod in pods
        for status in (pod.get("status") or {}).get("containerStatuses") or ()
    ]
    return list(dict.fromkeys(_reason(state) for state in states if state))


def _reason(state: Object) -> str:
    reason, message = state.get("reason", "it ended"), state.get("message", "")
    return f"{reason}: {message}" if message else str(reason)


# -- judging, pure -------------------------------------------------------------------------------


def kinds_of(definitions: Sequence[Object], server: Version) -> Kinds:
    """Which of our kinds are served as this version wants them of a server of that version."""
    present = {found["metadata"]["name"]: found for found in definitions}
    wanted = {manifest["metadata"]["name"]: suited(manifest, server) for manifest in crds.manifests()}
    there = {name: present[name] for name in wanted if name in present}
    ours = {name for name, found in there.items() if is_ours(found)}
    good = {name for name in ours if has(there[name]["spec"], wanted[name]["spec"]) and is_established(there[name])}
    return Kinds(
        current=len(good),
        missing=sorted(set(wanted) - set(there)),
        outdated=sorted(ours - good),
        foreign=sorted(set(there) - ours),
    )


def has(found: Any, wanted: Any) -> bool:
    """Whether a value has all that is wanted; a server may have added to it, or be too old for selectable fields."""
    if isinstance(wanted, Mapping):
        asked = [key for key in wanted if key in found or key != _SINCE_1_31]
        return isinstance(found, Mapping) and all(key in found and has(found[key], wanted[key]) for key in asked)
    if isinstance(wanted, list | tuple):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(has, found, wanted))
    return bool(found == wanted)


def leader_of(lease: Lease, now: datetime) -> Leader | None:
    """Who leads by a lease; None when nobody ever did, or the last leader has given it back."""
    spec = lease.spec
    if not spec.holder_identity or spec.renew_time is None:
        return None
    lapses = parse_time(spec.renew_time) + timedelta(seconds=spec.lease_duration_seconds or 0)
    return Leader(name=spec.holder_identity, renewed=spec.renew_time, leads=now < lapses)


def state_of(member: MemberCluster) -> str:
    """A member in a word."""
    joined = find_condition(member.status.conditions, JOINED)
    if member.metadata.deletion_timestamp is not None:
        return "leaving"
    if joined is None or joined.status != "True":
        return "not joined"
    reports = [status.conditions for status in member.status.agent_status]
    healthy = [find_condition(conditions, HEALTHY) for conditions in reports]
    return "joined" if all(found is None or found.status == "True" for found in healthy) else "unhealthy"


def problems_of_foreign(kinds: Kinds) -> Sequence[Problem]:
    if not kinds.foreign:
        return []
    what = f"{len(kinds.foreign)} kinds are another fleet manager's, such as {kinds.foreign[0]}"
    return [Problem(what=what, command=(*_INSTALL, "--adopt"))]


def problems_of_kinds(kinds: Kinds) -> Sequence[Problem]:
    problems = list(problems_of_foreign(kinds))
    for what, which in (("missing", kinds.missing), ("not those of this version", kinds.outdated)):
        if which:
            problems.append(Problem(what=f"{len(which)} kinds are {what}, such as {which[0]}", command=_INSTALL))
    return problems


def problems_of_replicas(deployment: Object | None, waiting: Sequence[str]) -> Sequence[Problem]:
    """A hub may be run by hand, so that there is no Deployment is none."""
    if deployment is None:
        return []
    problems = []
    replicas = _replicas(deployment)
    if not is_available(deployment):
        why = "; ".join(waiting)
        what = f"{replicas.available} of {replicas.wanted} replicas are available" + (f": {why}" if why else "")
        advice = f"look at the pods: kubectl -n {deployment['metadata']['namespace']} describe pods"
        problems.append(Problem(what=what, advice=advice))
    version = (deployment["metadata"].get("labels") or {}).get("app.kubernetes.io/version", "of no known version")
    if version != __version__:
        problems.append(Problem(what=f"the hub is {version}, this command {__version__}", command=_INSTALL))
    return problems


def problems_of_leader(leader: Leader | None) -> Sequence[Problem]:
    if leader is None:
        return [Problem(what="no replica leads, so nothing is done", command=("hub", "run"))]
    if not leader.leads:
        what = f"the last leader, {leader.name}, was last heard of at {leader.renewed}; nobody has taken over"
        return [Problem(what=what, command=("hub", "run"))]
    return []


def problems_of_settings(text: str, namespace: str) -> Sequence[Problem]:
    try:
        parse_settings(text, f"ConfigMap {namespace}/{NAME}")
    except BadSettings as error:
        return [Problem(what=str(error), command=(*_INSTALL, "--values", "FILE"))]
    return []


def problems_of_members(members: Sequence[MemberCluster]) -> Sequence[Problem]:
    bad = {member.metadata.name: state for member in members if (state := state_of(member)) != "joined"}
    return [
        Problem(what=f"the member {name} is {state}", command=("explain", "membercluster", name))
        for name, state in sorted(bad.items())
    ]


def _replicas(deployment: Object) -> Replicas:
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    status = deployment.get("status") or {}
    return Replicas(
        image=container["image"],
        wanted=deployment["spec"].get("replicas", 1),
        available=status.get("availableReplicas", 0),
    )
