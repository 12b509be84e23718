"""The portal over a hub: pages by the rules of those who carry runs out.

``portal_of`` puts it together for any hub, the embedded one among them. ``by_token`` is how it reaches a cluster on
which people sign in with their own tokens: as ``connection`` leads there, with the token in the place of whatever
identity that has.
"""

from __future__ import annotations

from msgspec.structs import replace

from echelon.api.meta import Clock
from echelon.kube.client import Client
from echelon.kube.credentials import StaticCredentials, bearer
from echelon.kube.http import HttpTransport
from echelon.kube.kubeconfig import Connection
from echelon.portal import Given, Portal, app
from echelon.portal.given import Connect
from echelon.upgrade import intents, known

FIELD_MANAGER = "echelon-portal"


def portal_of(connect: Connect, clock: Clock, *, fleet: str, token_hint: str) -> Portal:
    """The portal of a hub.

    Args:
        connect: gives a client of the hub that shows a token.
        clock: the time.
        fleet: what the fleet is called.
        token_hint: where people get a token, in a sentence.
    """
    return app(
        Given(
            connect=connect,
            rules=intents,
            plan=known.plan,
            generate=known.generated,
            clock=clock,
            fleet=fleet,
            token_hint=token_hint,
        )
    )


def by_token(connection: Connection) -> Connect:
    """Clients of the cluster that a connection leads to, each with the token of somebody."""

    def connect(token: str) -> Client:
        own = replace(connection, credentials=StaticCredentials(bearer(token)), headers={})
        return Client(HttpTransport(own), field_manager=FIELD_MANAGER)

    return connect
