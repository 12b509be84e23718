"""Who asks, and whether they may.

Two seams: an ``Authenticator`` turns credentials into a ``User``, an ``Authorizer`` decides on the
attributes of a request. Credentials that nobody recognises are refused with 401; a request without
credentials is anonymous and left to the authorizer.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from echelon.apiserver.errors import StatusError, forbidden

ANONYMOUS = "system:anonymous"
AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
MASTERS = "system:masters"


class User(msgspec.Struct, frozen=True):
    """An authenticated identity."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, Sequence[str]] = {}

    def info(self) -> dict[str, object]:
        """The user as ``authentication.k8s.io`` UserInfo."""
        info: dict[str, object] = {"username": self.name}
        if self.uid:
            info["uid"] = self.uid
        if self.groups:
            info["groups"] = list(self.groups)
        if self.extra:
            info["extra"] = {key: list(values) for key, values in self.extra.items()}
        return info


ANONYMOUS_USER = User(ANONYMOUS, (UNAUTHENTICATED,))


class Credentials(msgspec.Struct, frozen=True):
    """What a request offers as proof: a bearer token, a TLS client certificate (DER), or both."""

    token: str = ""
    certificate: bytes | None = None


class Authenticator(Protocol):
    """Recognises some kind of credentials."""

    async def authenticate(self, credentials: Credentials) -> User | None:
        """The user these credentials belong to, or None when they are not recognised."""


class Attributes(msgspec.Struct, frozen=True):
    """What a request wants to do. ``path`` is set, and the rest empty, for a non-resource request."""

    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


class Decision(msgspec.Struct, frozen=True):
    allowed: bool
    reason: str = ""


ALLOWED = Decision(True)
DENIED = Decision(False)


class Authorizer(Protocol):
    """Decides what a user may do."""

    def decide(self, user: User, attributes: Attributes) -> Decision: ...


class AllowAll:
    """Everyone may do everything."""

    def decide(self, user: User, attributes: Attributes) -> Decision:
        return ALLOWED


_PUBLIC_PATHS = frozenset({"/livez", "/readyz", "/healthz", "/version"})
_DISCOVERY_PATHS = ("/api", "/apis", "/openapi")


class MastersOnly:
    """Members of ``system:masters`` may do everything, other users discover, and anyone asks for health and version."""

    def decide(self, user: User, attributes: Attributes) -> Decision:
        if MASTERS in user.groups:
            return ALLOWED
        path = attributes.path.rstrip("/")
        if attributes.verb == "get" and path:
            if path in _PUBLIC_PATHS or path.startswith(tuple(f"{public}/" for public in _PUBLIC_PATHS)):
                return ALLOWED
            if AUTHENTICATED in user.groups and path.startswith(_DISCOVERY_PATHS):
                return ALLOWED
        return DENIED


class StaticTokens:
    """Bearer tokens known from the start."""

    def __init__(self, users: Mapping[str, User]) -> None:
        self._users = {token.encode(): user for token, user in users.items()}

    async def authenticate(self, credentials: Credentials) -> User | None:
        offered = credentials.token.encode()
        for token, user in self._users.items():
            if hmac.compare_digest(token, offered):
                return with_authenticated(user)
        return None


class FirstOf:
    """Asks several authenticators in turn."""

    def __init__(self, authenticators: Iterable[Authenticator]) -> None:
        self._authenticators = tuple(authenticators)

    async def authenticate(self, credentials: Credentials) -> User | None:
        for authenticator in self._authenticators:
            user = await authenticator.authenticate(credentials)
            if user is not None:
                return user
        return None


def with_authenticated(user: User) -> User:
    """The user as a member of ``system:authenticated``."""
    if AUTHENTICATED in user.groups:
        return user
    return msgspec.structs.replace(user, groups=(*user.groups, AUTHENTICATED))


def denial(user: User, attributes: Attributes, decision: Decision) -> StatusError:
    """The error that stands for a decision against a request."""
    why = refusal(user, attributes)
    if decision.reason:
        why += f": {decision.reason}"
    if attributes.path:
        return StatusError(403, "Forbidden", f"forbidden: {why}", details={})
    return forbidden(attributes.group, attributes.resource, attributes.name, why)


def refusal(user: User, attributes: Attributes) -> str:
    """Why a request was refused, in Kubernetes' words."""
    if attributes.path:
        return f'User "{user.name}" cannot {attributes.verb} path "{attributes.path}"'
    resource = attributes.resource + (f"/{attributes.subresource}" if attributes.subresource else "")
    scope = f'in the namespace "{attributes.namespace}"' if attributes.namespace else "at the cluster scope"
    return (
        f'User "{user.name}" cannot {attributes.verb} resource "{resource}" in API group "{attributes.group}" {scope}'
    )
