"""What a cluster does by itself: provision, empty namespaces, collect garbage, serve custom resources.

Each controller is told of every durable change after the fact and looks at the state it then finds.
Nothing here polls; a failed attempt is repeated after a growing delay.
"""

from __future__ import annotations

from echelon.apiserver.lifecycle.custom_resources import CustomResourceController
from echelon.apiserver.lifecycle.garbage import GarbageCollector
from echelon.apiserver.lifecycle.namespaces import NamespaceController
from echelon.apiserver.lifecycle.provisioning import Provisioner, Provisioning
from echelon.apiserver.objects import Objects

__all__ = ["Lifecycle", "Provisioning"]


class Lifecycle:
    """The controllers of one cluster."""

    def __init__(self, objects: Objects, provisioning: Provisioning) -> None:
        self.ready = False
        self._provisioner = Provisioner(objects, provisioning)
        self._custom_resources = CustomResourceController(objects)
        self._namespaces = NamespaceController(objects, self._provisioner)
        self._garbage = GarbageCollector(objects)
        for controller in (self._custom_resources, self._namespaces, self._garbage):
            objects.observe(controller.observe)

    async def start(self) -> None:
        """Serve stored custom resources, create what every cluster has, and begin to follow changes."""
        self._custom_resources.start()
        await self._provisioner.cluster()
        self._namespaces.start()
        self._garbage.start()
        self.ready = True

    async def close(self) -> None:
        self.ready = False
        for controller in (self._garbage, self._namespaces, self._custom_resources):
            await controller.close()
