"""The agents that run in a hub, each with clients of its own; one that ends does not end the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import msgspec
import structlog

from echelon.agent import Agent
from echelon.agent.push.kubeconfigs import Access, Secret, access_of, with_token
from echelon.agent.token import AgentToken, Claims, keep_renewed, seconds
from echelon.api import names
from echelon.api.meta import Clock
from echelon.kube.client import Client
from echelon.kube.controller import Foreseen
from echelon.kube.credentials import CredentialsError
from echelon.kube.errors import Unauthorized
from echelon.kube.informer import Informer
from echelon.kube.kinds import Key
from echelon.kube.kubeconfig import Connection
from echelon.kube.patches import MergePatch
from echelon.kube.tasks import cancel
from echelon.kube.transport import Transport

Connect = Callable[[Connection], Transport]

log = structlog.get_logger(__name__)


class _KeptKubeconfig:
    """The place of a token that stands in a kubeconfig which the hub keeps."""

    def __init__(self, hub: Client, secrets: Informer[Secret], secret: Key) -> None:
        self._hub = hub
        self._secrets = secrets
        self._secret = secret

    def read(self) -> str:
        found = self._secrets.get(self._secret)
        token = "" if found is None else access_of(found, self._secret[0]).token
        if not token:
            raise CredentialsError(f"the kubeconfig in the Secret {'/'.join(self._secret)} has no token any more")
        return token

    async def write(self, token: str) -> None:
        found = self._secrets.get(self._secret)
        if found is not None:
            await self._hub.patch(Secret, self._secret, MergePatch({"data": with_token(found, token)}))


class _Running(msgspec.Struct, frozen=True):
    fixed: str
    token: AgentToken | None
    agent: Agent
    task: asyncio.Task[None]


class PushedAgents:
    """The agents of the members to which the hub pushes."""

    def __init__(
        self,
        client: Client,
        hub: Callable[[], Client],
        connect: Connect,
        secrets: Informer[Secret],
        clock: Clock,
        token_life: timedelta,
        on_end: Callable[[str], None],
    ) -> None:
        """``on_end`` is called with the name of a member whose agent has failed."""
        self._client = client
        self._hub = hub
        self._connect = connect
        self._secrets = secrets
        self._clock = clock
        self._token_life = token_life
        self._on_end = on_end
        self._running: dict[str, _Running] = {}
        self._fatal: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """Stop all agents when cancelled. Raises what ends a whole process, if an agent has."""
        self._fatal = asyncio.get_running_loop().create_future()
        try:
            await self._fatal
        finally:
            await asyncio.gather(*(self.stop(name) for name in list(self._running)))

    async def keep(self, name: str, access: Access) -> None:
        """Have an agent run for a member, by this access.

        Raises:
            Foreseen: the one that ran has failed; the next call starts another.
        """
        running = self._running.get(name)
        if running is not None and running.task.done():
            del self._running[name]
            raise Foreseen(f"the agent of the member {name} failed: {running.task.exception()!r}")
        if running is not None and running.fixed == access.fixed:
            if running.token is not None:
                running.token.look_again()
            return
        await self.stop(name)
        self._start(name, access)

    async def stop(self, name: str) -> None:
        """Let the agent of a member finish what is under way, and end."""
        running = self._running.pop(name, None)
        if running is None:
            return
        running.agent.stop()
        await asyncio.wait([running.task])
        log.info("the agent of a pushed member has ended", member=name)

    def _start(self, name: str, access: Access) -> None:
        token, place, connection = None, None, access.connection
        if access.token:
            secret = (names.member_namespace(name), names.MEMBER_KUBECONFIG)
            place = _KeptKubeconfig(self._client, self._secrets, secret)
            token = AgentToken(name, place, self._clock, remedy=_remedy(name))
            connection = msgspec.structs.replace(connection, credentials=token)
        member = Client(self._connect(connection), field_manager=names.AGENT_MANAGER)
        hub = self._hub()
        agent = Agent(name, hub, member, clock=self._clock)

        async def issue(claims: Claims) -> str:
            if claims.account is None:
                raise Unauthorized(f"the token is that of {claims.sub}, no service account: it cannot be renewed")
            return await member.issue_token(claims.account, seconds(self._token_life))

        async def run() -> None:
            renewing = []
            if token is not None and place is not None:
                renewing.append(asyncio.create_task(keep_renewed(token, place, issue)))
            try:
                await agent.run()
            finally:
                await cancel(renewing)
                await hub.close()
                await member.close()

        task = asyncio.create_task(run(), name=f"agent of {name}")
        task.add_done_callback(lambda ended: self._ended(name, ended))
        self._running[name] = _Running(access.fixed, token, agent, task)
        log.info("the agent of a pushed member runs", member=name, server=access.connection.server)

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        if not isinstance(error, Exception) and self._fatal is not None and not self._fatal.done():
            self._fatal.set_exception(error)
        self._on_end(name)


def _remedy(name: str) -> str:
    return f"give it another with: echelon member join {name} --renew --hub-context HUB --member-context MEMBER"
