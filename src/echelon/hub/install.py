"""Putting a hub on a cluster: every object by server-side apply, as one field manager.

Applied again, only what differs changes, so an install is also an upgrade, and one that was broken off is done
by the next. What is checked comes first: until all is well, nothing is written. A namespace that is there stays
as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
import yaml

from echelon.api.meta import Resource
from echelon.hub.manifests import KINDS, NAME, SETTINGS_KEY, manifests
from echelon.hub.older import OLDEST, Version, suited, version_of
from echelon.hub.others import Others, find_others
from echelon.hub.settings import parse_settings
from echelon.hub.values import Values
from echelon.kube.client import Client
from echelon.kube.crds import wait_until_established
from echelon.kube.errors import Expired, NotFound
from echelon.kube.kinds import Key, Unstructured
from echelon.kube.patches import ApplyPatch, applied

FIELD_MANAGER: Final = "echelon-install"
_AT_ONCE: Final = 8

Object = dict[str, Any]
Outcome = Literal["created", "configured", "unchanged"]


class CannotInstall(Exception):
    """The cluster cannot be made a hub as it is; the message says why. Nothing has been written."""


class ForeignKinds(CannotInstall):
    """Another fleet manager's kinds are there."""

    def __init__(self, others: Others) -> None:
        self.others = others
        kept = "".join(f"\n  {command}" for command in others.to_do())
        super().__init__(
            f"this cluster has kinds of another fleet manager: {others.in_words()}. Nothing was touched. With --adopt "
            "they become Echelon's, and the objects that there are stay"
            + (f"; its controllers must not run beside Echelon's, so first:{kept}" if kept else "")
        )


class Step(msgspec.Struct, frozen=True):
    """What became of one object."""

    kind: str
    namespace: str
    name: str
    outcome: Outcome


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be installed, and how. ``keep_settings``: those of an installed hub stay."""

    values: Values
    namespace: str
    adopt: bool = False
    dry_run: bool = False
    keep_settings: bool = False


async def install(client: Client, request: Request, tell: Callable[[Step], None] = lambda _: None) -> None:
    """Make a cluster a hub, or with ``dry_run`` say what would be done; ``tell`` hears of each object.

    Raises:
        CannotInstall: the cluster is too old, or has kinds of the same names that are not ours.
        BadSettings: settings are kept that this version cannot use.
    """
    version = await check_version(client)
    if not request.adopt and (others := await find_others(client)).definitions:
        raise ForeignKinds(others)
    values = await _with_present_settings(client, request) if request.keep_settings else request.values
    objects = manifests(values, request.namespace)
    definitions = [suited(obj, version) for obj in objects if obj["kind"] == "CustomResourceDefinition"]
    rest = [obj for obj in objects if obj["kind"] != "CustomResourceDefinition"]
    present = await _namespace(client, rest[0], request, tell)
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(obj: Object) -> Step:
        async with limit:
            return await _apply(client, obj, request.dry_run, within_reach=present)

    for step in await asyncio.gather(*map(one, definitions)):
        tell(step)
    if not request.dry_run:
        await wait_until_established(client, {obj["metadata"]["name"] for obj in definitions})
    for obj in rest[1:]:
        tell(await one(obj))


async def check_version(client: Client) -> Version:
    """The version of a cluster, if it is not too old.

    Raises:
        CannotInstall: it is.
    """
    told = (await client.version()).git_version
    version = version_of(told)
    if version is None or version < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise CannotInstall(f"the cluster runs Kubernetes {told}; a hub needs {oldest} or newer")
    return version


async def _with_present_settings(client: Client, request: Request) -> Values:
    try:
        present = await client.get(kind_of_object("ConfigMap"), (request.namespace, NAME))
    except NotFound:
        return request.values
    text = (present.get("data") or {}).get(SETTINGS_KEY, "")
    parse_settings(text, f"the settings of the hub (ConfigMap {request.namespace}/{NAME})")
    content: Object = yaml.safe_load(text) or {}
    return msgspec.structs.replace(request.values, settings=content)


async def _namespace(client: Client, wanted: Object, request: Request, tell: Callable[[Step], None]) -> bool:
    """Make the namespace; whether it is there now."""
    kind, name = kind_of_object("Namespace"), wanted["metadata"]["name"]
    try:
        await client.get(kind, name)
    except NotFound:
        if not request.dry_run:
            await client.apply(wanted, kind)
        tell(Step("Namespace", "", name, "created"))
        return not request.dry_run
    tell(Step("Namespace", "", name, "unchanged"))
    return True


async def _apply(client: Client, wanted: Object, dry_run: bool, *, within_reach: bool) -> Step:
    """Apply an object; one in a namespace that is not there yet (not ``within_reach``) can only be created."""
    kind = kind_of_object(wanted["kind"])
    namespace, name = key = key_of_object(wanted)
    before = None
    if within_reach or not namespace:
        with contextlib.suppress(NotFound):
            before = await client.get(kind, key)
        patch = ApplyPatch(applied(wanted), force=True)
        after = await client.patch(kind, key, patch, dry_run=dry_run)
    if before is None:
        return Step(wanted["kind"], namespace, name, "created")
    same = _without_bookkeeping(before) == _without_bookkeeping(after)
    return Step(wanted["kind"], namespace, name, "unchanged" if same else "configured")


def _without_bookkeeping(obj: Mapping[str, Any]) -> Object:
    """An object without what a server notes of writes, and without what others report meanwhile."""
    kept = ("name", "namespace", "labels", "annotations")
    metadata = {field: value for field, value in obj["metadata"].items() if field in kept}
    return {**{field: value for field, value in obj.items() if field != "status"}, "metadata": metadata}


def kind_of_object(kind: str) -> Unstructured:
    """Where objects of a kind that belongs to an install are served."""
    group, version, plural, namespaced = KINDS[kind]
    return Unstructured(Resource(group, version, plural, kind, namespaced))


def key_of_object(obj: Mapping[str, Any]) -> Key:
    """The namespace and name of an object."""
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


# -- waiting -------------------------------------------------------------------------------------


async def wait_until_available(client: Client, namespace: str) -> None:
    """Wait until all replicas run what was installed, however long that takes."""
    kind, fields = kind_of_object("Deployment"), f"metadata.name={NAME}"
    while True:
        listed = await client.list(kind, namespace=namespace, fields=fields)
        if any(map(is_available, listed.items)):
            return
        with contextlib.suppress(Expired):  # then it is read again
            async with client.watch(
                kind, namespace=namespace, fields=fields, resource_version=listed.resource_version
            ) as watch:
                async for event in watch:
                    if event.object is not None and event.type != "DELETED" and is_available(event.object):
                        return


def is_available(deployment: Mapping[str, Any]) -> bool:
    """Whether all replicas of a Deployment run its newest template and are ready."""
    status, wanted = deployment.get("status") or {}, deployment["spec"].get("replicas", 1)
    seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    counts: Sequence[int] = [status.get(f"{which}Replicas", 0) for which in ("updated", "available")]
    return seen and all(count >= wanted for count in counts) and status.get("replicas", 0) <= wanted
