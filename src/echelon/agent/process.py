"""An agent as a process of its own: in a pod of its member, or on any machine that reaches hub and member.

It gets into the hub by a token that it renews itself (``HubByToken``), or as a kubeconfig says. It runs
until it is stopped; hub and member may be out of reach at any time, its start included. ``not_ready``
says what keeps it from working, for the probes.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import msgspec

from echelon.agent import Agent
from echelon.agent.places import TokenFile, TokenSecret
from echelon.agent.token import DEFAULT_LIFE, AgentToken, Claims, Place, keep_renewed, seconds
from echelon.api import names
from echelon.api.meta import Clock, SystemClock
from echelon.kube.client import Client
from echelon.kube.errors import Unauthorized
from echelon.kube.http import HttpTransport
from echelon.kube.kinds import Key
from echelon.kube.kubeconfig import Connection
from echelon.kube.server_time import ServerClock
from echelon.kube.tasks import cancel


class HubByToken(msgspec.Struct, frozen=True, kw_only=True):
    """The hub and the token for it: in a file, which is a mounted Secret of the member if ``secret`` names one.

    A token is asked for to be good for ``life``; the hub may give less. Without ``authority`` (PEM) the hub's
    certificate is checked by the authorities that the system trusts.
    """

    url: str
    token_file: Path
    authority: bytes | None = None
    secret: Key | None = None
    life: timedelta = DEFAULT_LIFE


class AgentProcess:
    """One agent with all that it needs; ``run`` once."""

    def __init__(
        self,
        name: str,
        hub: HubByToken | Connection,
        member: Connection,
        *,
        clock: Clock | None = None,
        collect_namespaces: bool = False,
    ) -> None:
        """``collect_namespaces`` as for ``Agent``."""
        clock = ServerClock(clock or SystemClock())
        self._member = Client(HttpTransport(member), field_manager=names.AGENT_MANAGER)
        self._token: AgentToken | None = None
        self._place: Place | None = None
        if isinstance(hub, HubByToken):
            self._life = hub.life
            self._place = (
                TokenFile(hub.token_file)
                if hub.secret is None
                else TokenSecret(hub.token_file, self._member, hub.secret)
            )
            self._token = AgentToken(name, self._place, clock, remedy=_remedy(name))
            clock.on_change = self._token.reconsider
            hub = Connection(hub.url, credentials=self._token, authority=hub.authority)
        self._hub = Client(clock.listening(HttpTransport(hub)), field_manager=names.AGENT_MANAGER)
        self._agent = Agent(name, self._hub, self._member, clock=clock, collect_namespaces=collect_namespaces)

    async def run(self) -> None:
        """Work until stopped or cancelled; raises what made it fail.

        Raises:
            CredentialsError: there is no token to begin with.
        """
        renewing: list[asyncio.Task[None]] = []
        try:
            if self._token is not None and self._place is not None:
                await self._token.identity()
                renewing.append(asyncio.create_task(keep_renewed(self._token, self._place, self._issue)))
            await self._agent.run()
        finally:
            await cancel(renewing)
            await self._hub.close()
            await self._member.close()

    def stop(self) -> None:
        """Make ``run`` finish what is under way and return."""
        self._agent.stop()

    def not_ready(self) -> str:
        """Why it does not work, empty when it does."""
        if self._token is not None and self._token.problem:
            return self._token.problem
        return "" if self._agent.ready else "what the hub wants, or what was applied on the member, is not known yet"

    async def _issue(self, claims: Claims) -> str:
        if claims.account is None:
            raise Unauthorized(f"the token is that of {claims.sub}, no service account: it cannot be renewed")
        return await self._hub.issue_token(claims.account, seconds(self._life))


def _remedy(name: str) -> str:
    return (
        f"give it another with: echelon member join {name} --renew --hub-context HUB --member-context MEMBER, "
        "or put one into its token file"
    )
