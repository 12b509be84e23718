"""The token by which an agent gets into a hub: short-lived, and renewed by the agent itself.

A token is good for ``life`` and is renewed when a fifth of that has passed, so that at any moment a cut
of at least four fifths of the life heals by itself. What was renewed is used at once and written back
to where the agent has it from, so that the next process begins with it. Whoever puts another token there
is believed as soon as it is seen: within a minute, and at once after the server has refused the present one.

A token that the server refuses while there is no other cannot be renewed: ``problem`` then says what to
do. Times are the server's (see ``kube.server_time``); a token that was renewed here is timed from then,
by no clock at all. Tokens that carry no times of their own are not renewed.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

import msgspec
import structlog
from prometheus_client import Gauge

from echelon.api.meta import Clock, format_time
from echelon.kube.backoff import Backoff
from echelon.kube.credentials import CredentialsError, Identity, bearer
from echelon.kube.errors import ApiError

REREAD_SECONDS = 60.0
RENEW_AFTER = 0.2  # of a token's life
DEFAULT_LIFE = timedelta(hours=72)
SHORTEST_LIFE = timedelta(minutes=10)  # Kubernetes issues none that is shorter
_BACKOFF = Backoff(first=5.0, cap=300.0, jitter=0.2)
_ACCOUNT = "system:serviceaccount:"

EXPIRES = Gauge("echelon_agent_token_expires_timestamp_seconds", "When the token of the agent ends", ["member"])

log = structlog.get_logger(__name__)


class Claims(msgspec.Struct, frozen=True):
    """What a token says of itself; seconds since 1970 by the clock of who issued it."""

    sub: str
    iat: float
    exp: float

    @property
    def life(self) -> timedelta:
        return timedelta(seconds=self.exp - self.iat)

    @property
    def expires(self) -> datetime:
        return datetime.fromtimestamp(self.exp, UTC)

    @property
    def account(self) -> tuple[str, str] | None:
        """Namespace and name of the service account, None for another user."""
        namespace, _, name = self.sub.removeprefix(_ACCOUNT).partition(":")
        return (namespace, name) if self.sub.startswith(_ACCOUNT) and name else None


def claims_of(token: str) -> Claims | None:
    """What a token says of itself, None when it is not one that says anything. Nothing is verified."""
    _, _, rest = token.partition(".")
    payload, dot, _ = rest.partition(".")
    if not dot:
        return None
    try:
        content = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        return msgspec.json.decode(content, type=Claims)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return None


class Place(Protocol):
    """Where a token is kept. Neither method names the token in what it raises."""

    def read(self) -> str:
        """The token that is there now.

        Raises:
            CredentialsError: there is none.
        """

    async def write(self, token: str) -> None:
        """Put another one there.

        Raises:
            ApiError, OSError: it could not be written.
        """


class AgentToken:
    """Credentials from a place, renewed by ``keep_renewed``."""

    def __init__(self, member: str, place: Place, clock: Clock, *, remedy: str) -> None:
        """``remedy``: what somebody can do when the token is refused, a sentence."""
        self.problem = ""
        """Why there is no good token and what to do, empty while there is one."""
        self._member = member
        self._place = place
        self._clock = clock
        self._remedy = remedy
        self._placed = ""  # what was seen in the place last
        self._token = ""
        self._identity = Identity()
        self._renew_at: float | None = None  # by the loop's clock, for one that was issued to this process
        self._read_at = float("-inf")
        self._news = asyncio.Event()

    async def identity(self) -> Identity:
        if _time() - self._read_at >= REREAD_SECONDS or not self._token:
            self._look()
        return self._identity

    def rejected(self, identity: Identity) -> bool:
        if identity is not self._identity:
            return True  # it has been replaced since
        try:
            self._look()
        except CredentialsError as error:
            self._give_up(str(error))
            return False
        if identity is self._identity:
            self._give_up(self._why_refused())
        return identity is not self._identity

    def put(self, token: str) -> None:
        """Use a token that was issued just now."""
        claims = claims_of(token)
        self._take(token)
        self._renew_at = None if claims is None else _time() + claims.life.total_seconds() * RENEW_AFTER

    def renew_in(self) -> float | None:
        """Seconds until the token is to be renewed; None for one that is not. A wrong clock makes it at once."""
        claims = self.claims()
        if claims is None or claims.account is None:
            return None
        if self._renew_at is not None:
            return max(0.0, self._renew_at - _time())
        age = self._clock.now().timestamp() - claims.iat
        return max(0.0, claims.life.total_seconds() * RENEW_AFTER - age) if age >= 0 else 0.0

    def look_again(self) -> None:
        """There may be another token in the place: see when the next request is made."""
        self._read_at = float("-inf")

    def claims(self) -> Claims | None:
        """What the present token says of itself."""
        return claims_of(self._token)

    def reconsider(self) -> None:
        """The clock has been put right: it may be time to renew the token."""
        self._news.set()

    async def wait_for_news(self) -> None:
        """Wait until there is another token, or another time."""
        self._news.clear()
        await self._news.wait()

    def _look(self) -> None:
        """Take the token of the place, if it is a new one there and not older than the present one."""
        placed = self._place.read()
        self._read_at = _time()
        if placed == self._placed:
            return
        self._placed = placed
        ours, theirs = claims_of(self._token), claims_of(placed)
        if placed != self._token and (ours is None or theirs is None or theirs.iat >= ours.iat):
            self._take(placed)

    def _take(self, token: str) -> None:
        if self._token:
            log.info("the agent's token was replaced", member=self._member)
        self._token, self._identity, self._renew_at = token, bearer(token), None
        self.problem = ""
        if (claims := claims_of(token)) is not None:
            EXPIRES.labels(self._member).set(claims.exp)
        self._news.set()

    def _give_up(self, why: str) -> None:
        problem = f"{why}; {self._remedy}"
        if problem != self.problem:
            log.error("the agent cannot get into the hub", member=self._member, why=why, remedy=self._remedy)
        self.problem = problem

    def _why_refused(self) -> str:
        claims = self.claims()
        if claims is not None and self._clock.now() >= claims.expires:
            return f"the agent's token ended at {format_time(claims.expires)}, before it could be renewed"
        return "the hub does not take the agent's token"


Issue = Callable[[Claims], Awaitable[str]]
"""Gives a new token for the same account. Raises ApiError."""


async def keep_renewed(token: AgentToken, place: Place, issue: Issue) -> None:
    """Renew a token in time, for ever. What fails is tried again, less and less often."""
    failures = 0
    while True:
        delay = await _due_in(token, failures)
        if await _news_within(token, delay):
            failures = 0
            continue
        claims = token.claims()
        if claims is None:
            continue  # there was none to begin with: look again
        try:
            fresh = await issue(claims)
            token.put(fresh)
            await place.write(fresh)
        except (ApiError, OSError) as error:
            failures += 1
            log.warning("the agent's token could not be renewed", error=str(error), until=format_time(claims.expires))
        else:
            failures = 0
            log.info("the agent's token was renewed")


async def _due_in(token: AgentToken, failures: int) -> float | None:
    try:
        await token.identity()
    except CredentialsError:
        return REREAD_SECONDS
    due = token.renew_in()
    return due if due is None or not failures else max(due, _BACKOFF.delay(failures - 1))


async def _news_within(token: AgentToken, delay: float | None) -> bool:
    try:
        async with asyncio.timeout(delay):
            await token.wait_for_news()
    except TimeoutError:
        return False
    return True


def seconds(life: timedelta) -> int:
    """For how long a token is asked for that is to be good for so long."""
    return round(max(life, SHORTEST_LIFE).total_seconds())


def _time() -> float:
    return asyncio.get_running_loop().time()
