"""Fairness among clients: no user's requests keep the others' waiting.

A user may have so many requests in flight; further ones wait in a queue of the user's own, and when
that is full they are refused with 429. All users together have a bound too. When seats become free,
users who wait take turns, whoever came first and however many requests each has.

A request keeps its seat until the event loop's next turn. So requests that never wait, such as reads
answered from memory, count as well: a user who sends many in one turn finds its share used up.

Members of exempt groups are not held up. Users of the system itself (``system:…``, but neither
anonymous nor service accounts) have a larger share. Watches last, so they are counted apart.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

import msgspec

from echelon.apiserver.authentication import ANONYMOUS, MASTERS, User
from echelon.apiserver.errors import StatusError

_SYSTEM = "system:"
_SERVICE_ACCOUNTS = "system:serviceaccount:"


class FairnessOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests are in flight at most, of all users and of one, how many wait, how many watches are open.

    ``system_factor`` is how many times as much users of the system may have.
    """

    in_flight: int = 600
    user_in_flight: int = 100
    user_queue: int = 200
    user_watches: int = 5_000
    system_factor: int = 10
    exempt_groups: frozenset[str] = frozenset({MASTERS})


class Share:
    """What one user has of the server, and may have. It exists while it is not empty."""

    __slots__ = ("in_flight", "limit", "name", "queue", "queue_limit", "ready", "watch_limit", "watches")

    def __init__(self, name: str, limit: int, queue_limit: int, watch_limit: int) -> None:
        self.name = name
        self.limit = limit
        self.queue_limit = queue_limit
        self.watch_limit = watch_limit
        self.in_flight = 0
        self.watches = 0
        self.queue: deque[asyncio.Future[None]] = deque()
        self.ready = False
        """Whether it stands in line for the next free seat."""


class Fairness:
    """The seats of a server. Everything runs on the event loop's thread."""

    def __init__(self, options: FairnessOptions) -> None:
        self._options = options
        self._shares: dict[str, Share] = {}
        self._exempt = Share("", 0, 0, 0)
        self._line: deque[Share] = deque()
        """The shares with a queue that are below their own limits; each once."""
        self._leaving: list[Share] = []
        self._in_flight = 0

    @property
    def waiting(self) -> int:
        """How many requests wait for a seat."""
        return sum(len(share.queue) for share in self._shares.values())

    @property
    def users(self) -> int:
        """How many users that are not exempt have something under way."""
        return len(self._shares)

    async def enter(self, user: User) -> Share:
        """Wait for a seat; it is to be given back with ``leave``.

        Raises:
            StatusError: 429 when too many requests of the user wait already.
        """
        if not self._options.exempt_groups.isdisjoint(user.groups):
            return self._exempt
        share = self._shares.get(user.name) or self._open(user)
        if share.in_flight < share.limit and self._in_flight < self._options.in_flight and not share.queue:
            self._seat(share)
            return share
        if len(share.queue) >= share.queue_limit:
            raise too_many_requests("Too many requests, please try again later.")
        await self._wait(share)
        return share

    def leave(self, share: Share) -> None:
        """Give a seat back. It is free from the loop's next turn on."""
        if share is self._exempt:
            return
        self._leaving.append(share)
        if len(self._leaving) == 1:
            asyncio.get_running_loop().call_soon(self._release)

    def watch(self, user: User) -> Share:
        """Count a watch; it is to be counted out with ``unwatch``.

        Raises:
            StatusError: 429 when the user has too many.
        """
        if not self._options.exempt_groups.isdisjoint(user.groups):
            return self._exempt
        share = self._shares.get(user.name) or self._open(user)
        if share.watches >= share.watch_limit:
            self._forget(share)
            raise too_many_requests(f"Too many watches: user has {share.watches} open, no more are allowed.")
        share.watches += 1
        return share

    def unwatch(self, share: Share) -> None:
        """Count a watch out."""
        if share is not self._exempt:
            share.watches -= 1
            self._forget(share)

    def _open(self, user: User) -> Share:
        options = self._options
        factor = options.system_factor if is_system(user) else 1
        share = Share(
            user.name, options.user_in_flight * factor, options.user_queue * factor, options.user_watches * factor
        )
        self._shares[user.name] = share
        return share

    def _forget(self, share: Share) -> None:
        if not (share.in_flight or share.watches or share.queue):
            self._shares.pop(share.name, None)

    def _seat(self, share: Share) -> None:
        share.in_flight += 1
        self._in_flight += 1

    async def _wait(self, share: Share) -> None:
        seated: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        share.queue.append(seated)
        self._line_up(share)
        try:
            await seated
        except asyncio.CancelledError:
            if seated.done() and not seated.cancelled():
                self.leave(share)
            else:
                with contextlib.suppress(ValueError):
                    share.queue.remove(seated)
                self._forget(share)
            raise

    def _line_up(self, share: Share) -> None:
        if share.queue and not share.ready and share.in_flight < share.limit:
            share.ready = True
            self._line.append(share)

    def _release(self) -> None:
        for share in self._leaving:
            share.in_flight -= 1
            self._line_up(share)
        self._in_flight -= len(self._leaving)
        while self._line and self._in_flight < self._options.in_flight:
            self._serve(self._line.popleft())
        for share in self._leaving:
            self._forget(share)
        self._leaving.clear()

    def _serve(self, share: Share) -> None:
        """Seat the first of a share's queue, and let the share line up again behind the others."""
        share.ready = False
        while share.queue:
            seated = share.queue.popleft()
            if not seated.done():
                self._seat(share)
                seated.set_result(None)
                break
        self._line_up(share)


def is_system(user: User) -> bool:
    """Whether a user is a part of the system rather than one of its clients."""
    name = user.name
    return name.startswith(_SYSTEM) and name != ANONYMOUS and not name.startswith(_SERVICE_ACCOUNTS)


def too_many_requests(message: str) -> StatusError:
    return StatusError(429, "TooManyRequests", message, details={}, retry_after=1)
