"""Fleets: hubs, by what they say of themselves."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from echelon.api.fleet import GROUP
from echelon.arm.call import Call, Reply, object_of
from echelon.arm.directory import CONFIG_MAPS, HUB_PROFILE, IDENTITY, RECORD, TAGS, Record, record_data, record_of
from echelon.arm.envelope import check_preconditions, enveloped
from echelon.arm.errors import ArmError, invalid, not_allowed
from echelon.arm.ids import FleetId, is_name
from echelon.kube.client import Client
from echelon.kube.errors import AlreadyExists, NotFound
from echelon.kube.patches import MergePatch

_IDENTITIES = ("None", "SystemAssigned", "UserAssigned", "SystemAssigned, UserAssigned")
_MAX_TAGS = 50
LONGEST = 63
_ACCESS: Mapping[str, Any] = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}


def shown(record: Record, id_: FleetId) -> dict[str, Any]:
    """A fleet as it is on the wire."""
    properties: dict[str, Any] = {"provisioningState": "Succeeded", "status": {}}
    if record.hub_profile is not None:
        properties["hubProfile"] = record.hub_profile
    body = enveloped(record.metadata, str(id_), "", properties, name=record.id.name)
    return {**body, "location": record.location, "tags": record.tags, "identity": record.identity}


async def get(call: Call) -> Reply:
    return Reply(body=shown(call.record, call.fleet))


async def put(call: Call) -> Reply:
    """Make the fleet as given; where it is, is fixed."""
    _check(call)
    body = object_of(call.body, "")
    location = body.get("location")
    if location is not None and (not isinstance(location, str) or _plain(location) != _plain(call.record.location)):
        raise invalid(f"{location!r} cannot be set: the fleet is in {call.record.location!r}", "location")
    properties = object_of(body.get("properties") or {}, "properties")
    profile = properties.get("hubProfile")
    if profile is not None:
        object_of(profile, "properties.hubProfile")
    parts = {TAGS: tags_of(body.get("tags")), IDENTITY: _identity(body.get("identity"))}
    return await _write(call, parts | {HUB_PROFILE: profile or call.record.hub_profile})


async def patch(call: Call) -> Reply:
    """Change tags and identity."""
    _check(call)
    body, record = object_of(call.body, ""), call.record
    tags = tags_of(body["tags"]) if "tags" in body else record.tags
    identity = _identity(body["identity"]) if "identity" in body else record.identity
    return await _write(call, {TAGS: tags, IDENTITY: identity, HUB_PROFILE: record.hub_profile})


def _check(call: Call) -> None:
    headers = call.headers
    check_preconditions(call.record.metadata, headers.get("if-match"), headers.get("if-none-match"))


async def _write(call: Call, parts: Mapping[str, Any]) -> Reply:
    record = call.record
    data = record_data(record.id, record.location, parts)
    dropped = {key: None for key in (TAGS, IDENTITY, HUB_PROFILE) if key not in data}
    notes = await call.notes(created=False)
    namespace, name = RECORD
    metadata: dict[str, Any] = {"name": name, "namespace": namespace, "annotations": notes}
    try:
        content = {
            "metadata": {**metadata, "resourceVersion": record.metadata.resource_version},
            "data": data | dropped,
        }
        written = await call.client.patch(CONFIG_MAPS, RECORD, MergePatch(content))
    except NotFound:
        await ensure_namespace(call.client, namespace)
        written = await call.client.create({**CONFIG_MAPS.plain({}), "metadata": metadata, "data": data}, CONFIG_MAPS)
    return Reply(body=shown(record_of(written), call.fleet))


async def delete(call: Call) -> Reply:
    """Remove a fleet with all that belongs to it; the fleet of the server itself goes with the server."""
    _check(call)
    if call.hub == call.directory.own():
        raise not_allowed(f"The fleet {call.record.id.name!r} is the server's own; it ends with the server's data.")
    await check_right(call.client, "delete", call.record.id)
    await call.directory.remove(call.hub)
    return Reply(status=200)


# -- founding -----------------------------------------------------------------------------------


def founding(id_: FleetId, body: Any, headers: Mapping[str, str]) -> tuple[str, Mapping[str, Any]]:
    """Location and parts of a fleet that is to be made. Raises ArmError for what cannot be."""
    check_preconditions(None, headers.get("if-match"), headers.get("if-none-match"))
    if not is_name(id_.name.lower(), LONGEST):
        raise invalid(f"{id_.name!r} is no name; want 1 to {LONGEST} lower-case letters, digits and dashes", "name")
    found = object_of(body, "")
    location = found.get("location")
    if not isinstance(location, str) or not location.strip():
        raise invalid(f"{location!r} is not accepted; a fleet needs a location, such as eastus", "location")
    properties = object_of(found.get("properties") or {}, "properties")
    profile = properties.get("hubProfile")
    parts = {TAGS: tags_of(found.get("tags")), IDENTITY: _identity(found.get("identity"))}
    if profile is not None:
        parts[HUB_PROFILE] = object_of(profile, "properties.hubProfile")
    return location, parts


async def check_right(client: Client, verb: str, id_: FleetId) -> None:
    """Whether the caller may make or remove fleets: the verb, on ``fleets`` of Echelon's group. Raises ArmError."""
    attributes = {"group": GROUP, "resource": "fleets", "verb": verb, "name": id_.name}
    review: dict[str, Any] = await client.create({**_ACCESS, "spec": {"resourceAttributes": attributes}})
    if not review["status"]["allowed"]:
        message = f"The client is not allowed to {verb} fleets: that takes the verb {verb} on fleets.{GROUP}."
        raise ArmError(403, "AuthorizationFailed", message)


async def name_hub(client: Client, id_: FleetId, founded: tuple[str, Mapping[str, Any]]) -> Reply:
    """Have a new hub say what it is."""
    location, parts = founded
    namespace, record = RECORD
    metadata: dict[str, Any] = {"name": record, "namespace": namespace}
    await ensure_namespace(client, namespace)
    config = {**CONFIG_MAPS.plain({}), "metadata": metadata, "data": record_data(id_, location, parts)}
    try:
        written = await client.create(config, CONFIG_MAPS)
    except AlreadyExists as error:
        raise not_allowed(f"There is a fleet {id_.name!r} in another resource group; choose another name.") from error
    return Reply(status=201, body=shown(record_of(written), id_))


async def ensure_namespace(client: Client, namespace: str) -> None:
    """Make the namespace of the record, unless it is there."""
    with suppress(AlreadyExists):
        await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})


async def list_credentials(call: Call) -> Reply:
    """A kubeconfig for the hub, with the token of the caller."""
    text = call.directory.kubeconfig(call.hub, call.token)
    return Reply(body={"kubeconfigs": [{"name": "hub", "value": base64.b64encode(text).decode()}]})


def _plain(location: str) -> str:
    return location.replace(" ", "").lower()


def tags_of(tags: Any) -> Mapping[str, str]:
    """The tags of a body. Raises ArmError for what is none."""
    if tags is None:
        return {}
    found = object_of(tags, "tags")
    if len(found) > _MAX_TAGS:
        raise invalid(f"{len(found)} tags are too many; want {_MAX_TAGS} at most", "tags")
    for key, value in found.items():
        if not isinstance(value, str) or not 0 < len(key) <= 512 or len(value) > 256:
            raise invalid(
                f"the tag {key!r:.100} is to be 1 to 512 characters with a text of at most 256", f"tags.{key}"
            )
    return dict(found)


def _identity(identity: Any) -> Mapping[str, Any]:
    if identity is None:
        return {"type": "None"}
    found = object_of(identity, "identity")
    kinds = {kind.replace(" ", "").lower(): kind for kind in _IDENTITIES}
    kind = kinds.get(str(found.get("type")).replace(" ", "").lower())
    if kind is None:
        raise invalid(f"{found.get('type')!r} is not accepted; want one of {', '.join(_IDENTITIES)}", "identity.type")
    users = found.get("userAssignedIdentities")
    if users is None:
        return {"type": kind}
    return {
        "type": kind,
        "userAssignedIdentities": {id_: {} for id_ in object_of(users, "identity.userAssignedIdentities")},
    }
