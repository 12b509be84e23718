"""Sessions: who is signed in, known by a cookie that says nothing.

A cookie holds a random name; what belongs to it (the token of the hub, by way of its user) stays here, in memory: a
session ends with this process, with its token, when somebody signs out, and when nothing was asked for ``IDLE``.
Names are kept by their hash, so a dump of the table opens no session.

A *link* signs in once, with a token that whoever made the link had: it is shown to the person at the terminal, and is
of no use after the first time or after ``LINK_LIFE``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
from datetime import UTC, datetime, timedelta

import msgspec

from echelon.api.meta import Clock
from echelon.portal.users import User, Users

COOKIE = "__Host-echelon"
IDLE = timedelta(hours=12)
LINK_LIFE = timedelta(hours=1)
MOST = 1000
"""How many sessions there can be; the one that was idle longest makes room."""


class Session(msgspec.Struct, eq=False):
    """One browser of a user. ``csrf`` is in every form; ``notices`` are shown on the next page."""

    user: User
    token: str
    csrf: str
    expires: datetime | None
    seen: datetime
    notices: list[tuple[str, str]] = []

    def ends_at(self) -> datetime:
        """When the session ends if nothing is asked any more."""
        idle = self.seen + IDLE
        return idle if self.expires is None else min(idle, self.expires)


class Sessions:
    """All sessions, and the links that begin one."""

    def __init__(self, users: Users, clock: Clock) -> None:
        self._users = users
        self._clock = clock
        self._sessions: dict[bytes, Session] = {}
        self._links: dict[bytes, tuple[str, datetime]] = {}

    async def begin(self, token: str) -> tuple[str, Session]:
        """Sign in with a token of the hub; gives the cookie's value. Raises ApiError: Unauthorized for a wrong one."""
        user = await self._users.enter(token)
        now = self._clock.now()
        await self._clear(now)
        name = secrets.token_urlsafe(32)
        session = Session(user, token, secrets.token_urlsafe(32), expiry_of(token), now)
        self._sessions[_digest(name)] = session
        return name, session

    async def find(self, cookie: str) -> Session | None:
        """The session of a cookie, if it goes on."""
        session = self._sessions.get(_digest(cookie)) if cookie else None
        now = self._clock.now()
        if session is None or session.ends_at() <= now:
            await self.end(cookie)
            return None
        session.seen = now
        return session

    async def end(self, cookie: str) -> None:
        """Sign out. A session that is not there has ended already."""
        session = self._sessions.pop(_digest(cookie), None)
        if session is not None:
            await self._users.leave(session.token)

    def touch(self, session: Session) -> bool:
        """Somebody looks at a page of a session; whether it goes on."""
        now = self._clock.now()
        if session not in self._sessions.values() or session.ends_at() <= now:
            return False
        session.seen = now
        return True

    async def refuse(self, session: Session) -> None:
        """End a session whose token the hub does not take any more."""
        for key in [key for key, held in self._sessions.items() if held is session]:
            del self._sessions[key]
            await self._users.leave(session.token)

    async def _clear(self, now: datetime) -> None:
        """Forget sessions that are over, and make room for one more."""
        over = [key for key, session in self._sessions.items() if session.ends_at() <= now]
        if len(self._sessions) - len(over) >= MOST:
            over.append(min(self._sessions, key=lambda key: self._sessions[key].seen))
        for key in over:
            session = self._sessions.pop(key, None)
            if session is not None:
                await self._users.leave(session.token)

    # Links

    def link(self, token: str) -> str:
        """A code that signs in with a token, once."""
        code = secrets.token_urlsafe(32)
        self._links[_digest(code)] = (token, self._clock.now() + LINK_LIFE)
        return code

    def take(self, code: str) -> str | None:
        """The token of a link that was not used and is not too old; from now on it is used."""
        token, until = self._links.pop(_digest(code), ("", None))
        return token if until is not None and self._clock.now() < until else None


def expiry_of(token: str) -> datetime | None:
    """When a token ends, if it says so: that of a service account is a JWT. Whether it is good, the hub decides."""
    parts = token.split(".")
    if len(parts) < 3:
        return None
    try:
        payload = parts[-2]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return datetime.fromtimestamp(int(claims["exp"]), UTC)
    except (binascii.Error, ValueError, KeyError, TypeError, OverflowError, OSError):
        return None


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
