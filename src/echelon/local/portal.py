"""The portal of the embedded hub: pages over the hub's own fleet, beside the clusters on the same port."""

from __future__ import annotations

from datetime import datetime

from echelon.api.fleet import UpdateRun
from echelon.api.meta import Clock
from echelon.api.upgrade import AutoUpgradeProfile
from echelon.kube.asgi import AsgiTransport
from echelon.kube.client import Client
from echelon.kube.errors import Unreachable
from echelon.local.fleets import EmbeddedFleets
from echelon.local.naming import HUB
from echelon.portal import Given, Portal, app
from echelon.portal.given import FleetNow
from echelon.upgrade import intents
from echelon.upgrade.asking import surroundings_of
from echelon.upgrade.autoupgrade.generation import generate
from echelon.upgrade.outlook import Outlook, outlook
from echelon.upgrade.validation import Problem, Surroundings

FIELD_MANAGER = "echelon-portal"


def portal_of(fleets: EmbeddedFleets, clock: Clock, *, token_hint: str) -> Portal:
    """The portal over the hub of an embedded server; ``token_hint`` says where people get a token."""

    def connect(token: str) -> Client:
        hub = fleets.hubs().get(HUB)
        if hub is None:
            raise Unreachable("it is starting")
        headers = {"Authorization": f"Bearer {token}"}
        return Client(AsgiTransport(hub.server, headers=headers), field_manager=FIELD_MANAGER)

    return app(
        Given(
            connect=connect,
            rules=intents,
            plan=plan,
            generate=generated,
            clock=clock,
            fleet="embedded hub",
            token_hint=token_hint,
        )
    )


def plan(run: UpdateRun, fleet: FleetNow, now: datetime) -> Outlook:
    """What would become of a run, by the rules of those who carry runs out."""
    return outlook(run, _around(fleet, now), fleet.members, fleet.upgrades, fleet.runs, now)


def generated(profile: AutoUpgradeProfile, fleet: FleetNow, now: datetime) -> UpdateRun | str:
    """The run of a profile for what is published now; or why there is none."""
    found = generate(profile, _around(fleet, now), fleet.runs, now)
    return str(found) if isinstance(found, Problem) else found.run


def _around(fleet: FleetNow, now: datetime) -> Surroundings:
    return surroundings_of(fleet.members, fleet.strategies, fleet.catalogs, now)
