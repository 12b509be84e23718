"""Whose the kinds on a cluster are: ours, or somebody else's of the same names.

KubeFleet's CustomResourceDefinitions have the names of ours, and its hub agent works on the objects that our
controllers work on. A definition is ours when it bears our label. Where others are found, an install touches
nothing unless it is told to adopt them; and two sets of controllers must never run side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from echelon.api import crds
from echelon.api.meta import Resource
from echelon.kube.client import Client
from echelon.kube.crds import DEFINITIONS
from echelon.kube.kinds import Unstructured

_WEBHOOKS = tuple(
    Unstructured(Resource("admissionregistration.k8s.io", "v1", f"{kind.lower()}s", kind, namespaced=False))
    for kind in ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
)
_DEPLOYMENTS = Unstructured(Resource("apps", "v1", "deployments", "Deployment", namespaced=True))
_HUB_AGENT = "hub-agent"

Object = Mapping[str, Any]


class Others(msgspec.Struct, frozen=True):
    """What of another fleet manager is on a cluster: definitions, with who wrote each; agents; webhooks."""

    definitions: Mapping[str, str]
    agents: Sequence[str] = ()
    webhooks: Sequence[str] = ()

    def in_words(self) -> str:
        """The definitions, for a message."""
        names = sorted(self.definitions)
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        writers = sorted({writer for writer in self.definitions.values() if writer})
        return shown + (f" (written by {', '.join(writers)})" if writers else "")

    def to_do(self) -> Sequence[str]:
        """What has to be ended by hand before a hub of ours works here: a command each."""
        scale = [f"kubectl scale deployment {name} --replicas=0 -n {space}" for space, name in map(_split, self.agents)]
        return [*scale, *(f"kubectl delete {name}" for name in self.webhooks)]


def is_ours(definition: Object) -> bool:
    """Whether a CustomResourceDefinition bears our label."""
    labels: Mapping[str, str] = definition["metadata"].get("labels") or {}
    return all(labels.get(name) == value for name, value in crds.OURS.items())


async def find_others(client: Client) -> Others:
    """What another fleet manager has on a cluster; nothing is asked beyond that where its definitions are not."""
    wanted = {manifest["metadata"]["name"] for manifest in crds.manifests()}
    listed = await client.list(DEFINITIONS)
    foreign = {
        found["metadata"]["name"]: _writer(found)
        for found in listed.items
        if found["metadata"]["name"] in wanted and not is_ours(found)
    }
    if not foreign:
        return Others({})
    agents = [
        f"{found['metadata']['namespace']}/{found['metadata']['name']}"
        for found in (await client.list(_DEPLOYMENTS, fields=f"metadata.name={_HUB_AGENT}")).items
        if found["spec"].get("replicas", 1)
    ]
    webhooks = [
        f"{kind.resource.kind.lower()} {found['metadata']['name']}"
        for kind in _WEBHOOKS
        for found in (await client.list(kind)).items
        if found["metadata"]["name"].startswith("fleet-")
    ]
    return Others(foreign, agents, webhooks)


def _writer(definition: Object) -> str:
    """Who wrote the spec of a definition last, as far as the server knows."""
    entries = [
        entry
        for entry in definition["metadata"].get("managedFields") or ()
        if "f:spec" in (entry.get("fieldsV1") or {})
    ]
    return str(entries[-1].get("manager", "")) if entries else ""


def _split(name: str) -> tuple[str, str]:
    space, _, rest = name.partition("/")
    return space, rest
