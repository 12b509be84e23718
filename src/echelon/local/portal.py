"""The portal of the embedded hub: pages over the hub's own fleet, beside the clusters on the same port."""

from __future__ import annotations

from echelon.api.meta import Clock
from echelon.hub.portal import FIELD_MANAGER, portal_of
from echelon.kube.asgi import AsgiTransport
from echelon.kube.client import Client
from echelon.kube.errors import Unreachable
from echelon.local.fleets import EmbeddedFleets
from echelon.local.naming import HUB
from echelon.portal import Portal


def embedded_portal(fleets: EmbeddedFleets, clock: Clock, *, token_hint: str) -> Portal:
    """The portal over the hub of an embedded server; ``token_hint`` says where people get a token."""

    def connect(token: str) -> Client:
        hub = fleets.hubs().get(HUB)
        if hub is None:
            raise Unreachable("it is starting")
        headers = {"Authorization": f"Bearer {token}"}
        return Client(AsgiTransport(hub.server, headers=headers), field_manager=FIELD_MANAGER)

    return portal_of(connect, clock, fleet="embedded hub", token_hint=token_hint)
