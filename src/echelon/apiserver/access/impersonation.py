"""Acting as somebody else: the ``Impersonate-…`` headers.

Who asks needs the verb ``impersonate`` for each part of the identity taken on: the user or service
account, every group, the uid and every extra value. From there on the request is the other user's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import unquote

import msgspec

from echelon.apiserver.access.accounts import service_account_groups, service_account_of
from echelon.apiserver.authentication import ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, Attributes, User
from echelon.apiserver.errors import bad_request

_USER, _GROUP, _UID, _EXTRA = b"impersonate-user", b"impersonate-group", b"impersonate-uid", b"impersonate-extra-"
_AUTHENTICATION = "authentication.k8s.io"

Headers = Iterable[tuple[bytes, bytes]]


class Impersonation(msgspec.Struct, frozen=True):
    """Whom a request wants to act as, and what the asking user has to be allowed for that."""

    user: User
    needed: tuple[Attributes, ...]


def impersonation(headers: Headers) -> Impersonation | None:
    """What the headers of a request ask for; None when they ask for nothing.

    Raises:
        StatusError: 400 when they name groups, a uid or extra values, but no user.
    """
    given = [(name, value) for name, value in headers if name.startswith(b"impersonate-")]
    if not given:
        return None
    name, uid = "", ""
    groups: list[str] = []
    extra: dict[str, list[str]] = {}
    for header, raw in given:
        value = raw.decode("utf-8", "replace")
        if header == _USER:
            name = value
        elif header == _UID:
            uid = value
        elif header == _GROUP:
            groups.append(value)
        elif header.startswith(_EXTRA):
            extra.setdefault(unquote(header[len(_EXTRA) :].decode("latin-1")).lower(), []).append(value)
    if not name:
        if groups or uid or extra:
            raise bad_request(
                "groups, a uid or extra values cannot be impersonated without a user: set Impersonate-User"
            )
        return None
    user = User(name, tuple(_groups(name, groups)), uid, extra)
    return Impersonation(user, tuple(_needed(name, groups, uid, extra)))


def _groups(name: str, given: list[str]) -> Iterator[str]:
    """The groups of the user impersonated: those given, or those that go with a service account."""
    account = service_account_of(name)
    yield from given or (() if account is None else service_account_groups(account[0]))
    if AUTHENTICATED not in given and UNAUTHENTICATED not in given:
        yield UNAUTHENTICATED if name == ANONYMOUS else AUTHENTICATED


def _needed(name: str, groups: list[str], uid: str, extra: dict[str, list[str]]) -> Iterator[Attributes]:
    account = service_account_of(name)
    if account is None:
        yield Attributes("impersonate", "", "v1", "users", name=name)
    else:
        yield Attributes("impersonate", "", "v1", "serviceaccounts", namespace=account[0], name=account[1])
    for group in groups:
        yield Attributes("impersonate", "", "v1", "groups", name=group)
    for key, values in extra.items():
        for value in values:
            yield Attributes("impersonate", _AUTHENTICATION, "v1", "userextras", key, name=value)
    if uid:
        yield Attributes("impersonate", _AUTHENTICATION, "v1", "uids", name=uid)
