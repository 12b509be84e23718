"""What every cluster has from the start, and every namespace: service accounts and the root certificate."""

from __future__ import annotations

import msgspec

from echelon.apiserver.definitions import Object, ResourceDefinition
from echelon.apiserver.errors import StatusError
from echelon.apiserver.objects import Changed, Objects
from echelon.apiserver.preparation import Write
from echelon.apiserver.query import WriteOptions
from echelon.apiserver.registry import Served

MANAGER = "echelon-apiserver"
_OWN = WriteOptions(field_manager=MANAGER, field_validation="Ignore")


class Provisioning(msgspec.Struct, frozen=True):
    """What is created unasked. ``root_certificate`` (PEM) goes into ``kube-root-ca.crt`` of each namespace."""

    namespaces: tuple[str, ...] = ("default", "kube-system", "kube-public", "kube-node-lease")
    default_service_account: bool = True
    root_certificate: str | None = None


class Provisioner:
    """Creates the objects of a ``Provisioning``, and again when someone deletes them."""

    def __init__(self, objects: Objects, provisioning: Provisioning) -> None:
        self._objects = objects
        self._provisioning = provisioning

    async def cluster(self) -> None:
        """Create the namespaces."""
        for name in self._provisioning.namespaces:
            await self._ensure("namespaces", "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    async def namespace(self, name: str) -> None:
        """Create what belongs into a namespace that is not on its way out."""
        for plural, obj in self._wanted():
            await self._ensure(plural, name, obj)

    def concerns(self, changed: Changed) -> bool:
        """Whether a change took away something that belongs into its namespace."""
        if changed.after is not None or changed.definition.group:
            return False
        return any(
            changed.definition.plural == plural and changed.name == obj["metadata"]["name"]
            for plural, obj in self._wanted()
        )

    def _wanted(self) -> list[tuple[str, Object]]:
        wanted: list[tuple[str, Object]] = []
        if self._provisioning.default_service_account:
            account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
            wanted.append(("serviceaccounts", account))
        if self._provisioning.root_certificate is not None:
            data = {"ca.crt": self._provisioning.root_certificate}
            certificate = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "kube-root-ca.crt"},
                "data": data,
            }
            wanted.append(("configmaps", certificate))
        return wanted

    async def _ensure(self, plural: str, namespace: str, obj: Object) -> None:
        definition = self._objects.registry.get("", plural)
        if definition is None or self._objects.bucket(definition).latest(namespace, obj["metadata"]["name"]):
            return
        try:
            await self._objects.create(obj, own_write(definition, namespace))
        except StatusError as error:
            if error.code not in (403, 404, 409):  # the namespace went, or someone else was faster
                raise


def own_write(definition: ResourceDefinition, namespace: str) -> Write:
    """The circumstances of a write by the server itself."""
    version = definition.versions.get(definition.storage_version) or next(iter(definition.versions.values()))
    return Write(served=Served(definition, version), namespace=namespace, options=_OWN, manager=MANAGER)
