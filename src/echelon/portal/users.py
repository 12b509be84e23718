"""Whoever is signed in: a client that shows their token, and what they watch.

All pages of a user read from one set of watch caches, made by that user's client, so nobody sees what the hub would
not show them. A kind is watched from the first page that shows it; when no page has been open for ``IDLE`` seconds,
everything is let go, and the next page begins anew. Users are told apart by their token: sessions with the same one
share the caches.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import structlog

from echelon.api.meta import KubeObject
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.informer import Change
from echelon.kube.tasks import cancel
from echelon.portal.given import Connect
from echelon.portal.news import is_news
from echelon.portal.rights import Rights, to

IDLE = 60.0
PATIENCE = 10.0
"""Seconds that the hub has to show what it has of a kind."""

K = TypeVar("K", bound=KubeObject)
_REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
log = structlog.get_logger(__name__)


class HubIsSlow(Exception):
    """The hub did not show in time what it has."""


class Listener:
    """Somebody who wants to know when something of some kinds has changed."""

    def __init__(self, kinds: Sequence[type[KubeObject]]) -> None:
        self.kinds = frozenset(kind.resource for kind in kinds)
        self.changed = asyncio.Event()


class User:
    """Somebody with a token. ``name`` is what the hub calls them."""

    def __init__(self, name: str, client: Client) -> None:
        self.name = name
        self.client = client
        self.rights = Rights(client)
        self._cache: SharedCache | None = None
        self._running: asyncio.Task[None] | None = None
        self._watched: set[type[KubeObject]] = set()
        self._listeners: set[Listener] = set()
        self._open = 0
        self._rest: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()

    # Reading

    async def watch(self, kinds: Sequence[type[KubeObject]]) -> None:
        """Have these kinds at hand, as far as the user may see them. Raises ApiError, HubIsSlow."""
        await self.rights.learn([to("watch", kind) for kind in kinds])
        allowed = [kind for kind in kinds if self.rights.may(to("watch", kind))]
        cache = self._started()
        informers = [cache.informer(kind) for kind in allowed]
        for kind, informer in zip(allowed, informers, strict=True):
            if kind not in self._watched:
                self._watched.add(kind)
                informer.add_handler(self._tell)
        try:
            async with asyncio.timeout(PATIENCE):
                for informer in informers:
                    await informer.wait_for_sync()
        except TimeoutError:
            late = ", ".join(informer.kind.resource.plural for informer in informers if not informer.has_synced)
            raise HubIsSlow(f"the hub has not shown its {late} within {PATIENCE:.0f} seconds") from None

    def list(self, kind: type[K]) -> Sequence[K]:
        """All objects of a kind that is watched; none of one that the user may not see."""
        return self._cache.list(kind) if self._cache is not None and kind in self._watched else ()

    def get(self, kind: type[K], name: str, namespace: str = "") -> K | None:
        """An object of a kind that is watched."""
        if self._cache is None or kind not in self._watched:
            return None
        return self._cache.get(kind, (namespace, name))

    def sees(self, kind: type[KubeObject]) -> bool:
        """Whether the user may see a kind that was asked for."""
        return self.rights.may(to("watch", kind))

    # Being told

    @contextmanager
    def listening(self, kinds: Sequence[type[KubeObject]]) -> Iterator[Listener]:
        """Hear of changes; while somebody listens, nothing is let go."""
        listener = Listener(kinds)
        self._listeners.add(listener)
        with self.present():
            try:
                yield listener
            finally:
                self._listeners.discard(listener)

    @contextmanager
    def present(self) -> Iterator[None]:
        """Keep what is watched, and for a while after."""
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1
            if not self._open:
                self._rest = asyncio.get_running_loop().call_later(IDLE, self._let_go)

    def _tell(self, change: Change[Any]) -> None:
        if change.initial or not is_news(change):
            return
        for listener in self._listeners:
            if change.kind.resource in listener.kinds:
                listener.changed.set()

    # Running

    @property
    def is_watching(self) -> bool:
        return self._cache is not None

    def _started(self) -> SharedCache:
        if self._cache is None:
            self._cache = SharedCache(self.client)
            self._running = asyncio.create_task(self._cache.run(), name=f"portal caches of {self.name}")
            self._running.add_done_callback(self._ended)
        return self._cache

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the caches of a user failed", user=self.name, error=repr(error))
            self._let_go()

    def _let_go(self) -> None:
        """Stop watching; whoever reads next begins anew."""
        task, cache = self._running, self._cache
        self._cache, self._running, self._rest = None, None, None
        self._watched.clear()
        if cache is not None:
            self.client.observers.clear()
        if task is not None and not task.done():
            ending = asyncio.create_task(cancel([task]))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """Stop watching and close the client."""
        if self._rest is not None:
            self._rest.cancel()
        self._let_go()
        await asyncio.gather(*self._ending)
        await self.client.close()


class Users:
    """Everybody who is signed in, each with one client however many sessions they have."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._users: dict[bytes, tuple[User, int]] = {}

    async def enter(self, token: str) -> User:
        """The user of a token. Raises ApiError: Unauthorized for one that the hub does not know."""
        key = _digest(token)
        held = self._users.get(key)
        client = self._connect(token) if held is None else held[0].client
        try:
            name = await _who(client)
        except BaseException:
            if held is None:
                await client.close()
            raise
        if key not in self._users:
            self._users[key] = (User(name, client), 0)
        elif client is not self._users[key][0].client:  # somebody was quicker
            await client.close()
        user, sessions = self._users[key]
        self._users[key] = (user, sessions + 1)
        return user

    async def leave(self, token: str) -> None:
        """A session of a user has ended; with the last one, the client does."""
        key = _digest(token)
        user, sessions = self._users[key]
        if sessions > 1:
            self._users[key] = (user, sessions - 1)
            return
        del self._users[key]
        await user.close()

    async def close(self) -> None:
        users = [user for user, _ in self._users.values()]
        self._users.clear()
        await asyncio.gather(*(user.close() for user in users))


async def _who(client: Client) -> str:
    """What the hub calls the user of a client."""
    review: dict[str, Any] = await client.create(dict(_REVIEW))
    name: str = review.get("status", {}).get("userInfo", {}).get("username", "")
    return name


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
