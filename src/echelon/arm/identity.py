"""Signing in: the OpenID endpoints that clients of ARM expect, over the hub's own tokens.

A token of the hub is all there is to know somebody by, and it is what clients get. A service principal's secret is
such a token, and its client id the name of whose it is: the user, or of a service account also ``NAMESPACE:NAME``. A
person signs in on another device: the page at ``/device`` takes the code that the client shows, and a token. A refresh
token is the token itself. So nothing is kept here but the codes of those who are about to sign in, for as long as a
code is good, and whoever loses their token on the hub loses it here.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from echelon.api.meta import Clock
from echelon.arm.surroundings import TENANT

TOKEN_SECONDS = 3600
CODE_SECONDS = 900
POLL_SECONDS = 2
MAX_WAITING = 200
_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels: no words; no letters that look like digits


class Refused(Exception):
    """Nobody is signed in; ``error`` is a code of RFC 6749 or RFC 8628."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status

    def body(self) -> dict[str, Any]:
        return {"error": self.error, "error_description": self.description, "error_codes": []}


class _Waiting(msgspec.Struct):
    """A sign-in that was begun on one device and waits for the other."""

    user_code: str
    client_id: str
    until: datetime
    token: str = ""
    user: str = ""


class Codes:
    """The codes of those who are about to sign in."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[str, _Waiting] = {}

    def begin(self, client_id: str) -> tuple[str, str]:
        """A code for the device that waits, and one for its user to type."""
        now = self._clock.now()
        self._waiting = {code: found for code, found in self._waiting.items() if found.until > now}
        if len(self._waiting) >= MAX_WAITING:
            raise Refused("temporarily_unavailable", "Too many people are about to sign in; try again in a while.", 429)
        code = secrets.token_urlsafe(32)
        typed = "".join(secrets.choice(_ALPHABET) for _ in range(9))
        self._waiting[code] = _Waiting(typed, client_id, now + timedelta(seconds=CODE_SECONDS))
        return code, typed

    def confirm(self, user_code: str, token: str, user: str) -> bool:
        """Sign in the device that shows a code; whether there is one."""
        for found in self._waiting.values():
            if secrets.compare_digest(found.user_code, user_code.strip().upper()) and found.until > self._clock.now():
                found.token, found.user = token, user
                return True
        return False

    def take(self, device_code: str) -> tuple[str, str, str]:
        """Token, user and client id for a device, once. Raises Refused while its user has not signed in."""
        found = self._waiting.get(device_code)
        if found is None or found.until <= self._clock.now():
            self._waiting.pop(device_code, None)
            raise Refused("expired_token", "The code has expired; begin again.")
        if not found.token:
            raise Refused("authorization_pending", "The user has not signed in yet.")
        del self._waiting[device_code]
        return found.token, found.user, found.client_id


def is_named(client_id: str, user: str) -> bool:
    """Whether a client id is the name of a user."""
    account = user.removeprefix("system:serviceaccount:")
    return client_id in (user, account)


def configuration(base: str, tenant: str) -> dict[str, Any]:
    """What a client has to know to sign in, for an authority."""
    root = f"{base}/{tenant}"
    return {
        "issuer": f"{root}/v2.0",
        "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
        "token_endpoint": f"{root}/oauth2/v2.0/token",
        "device_authorization_endpoint": f"{root}/oauth2/v2.0/devicecode",
        "jwks_uri": f"{root}/discovery/v2.0/keys",
        "response_types_supported": ["code", "id_token"],
        "response_modes_supported": ["query", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "preferred_username", "tid", "oid"],
        "tenant_region_scope": None,
        "cloud_instance_name": base.partition("://")[2],
    }


def instance(base: str, tenant: str) -> dict[str, Any]:
    """That an authority is one of a cloud."""
    host = base.partition("://")[2]
    return {
        "tenant_discovery_endpoint": f"{base}/{tenant}/v2.0/.well-known/openid-configuration",
        "api-version": "1.1",
        "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
    }


def granted(token: str, now: datetime) -> dict[str, Any]:
    """What a service principal gets."""
    seconds = lifetime(token, now)
    return {"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token}


def signed_in(token: str, user: str, client_id: str, scope: str, base: str, now: datetime) -> dict[str, Any]:
    """What the client of a person gets: the token, and who that is."""
    issued = int(now.timestamp())
    claims = {
        "iss": f"{base}/{TENANT}/v2.0",
        "aud": client_id,
        "sub": user,
        "oid": user,
        "tid": TENANT,
        "preferred_username": user,
        "name": user,
        "iat": issued,
        "nbf": issued,
        "exp": issued + lifetime(token, now),
        "ver": "2.0",
    }
    id_token = ".".join((_encoded({"typ": "JWT", "alg": "none"}), _encoded(claims), ""))
    about = {"client_info": _encoded({"uid": user, "utid": TENANT}), "id_token": id_token}
    return granted(token, now) | about | {"scope": scope, "refresh_token": token}


def lifetime(token: str, now: datetime) -> int:
    """How many seconds a token is good for: its own expiry, or an hour until it is asked about again."""
    parts = token.split(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[-2] + "=" * (-len(parts[-2]) % 4)))
        return max(0, min(TOKEN_SECONDS * 24, int(claims["exp"] - now.timestamp())))
    except (IndexError, ValueError, KeyError, TypeError):
        return TOKEN_SECONDS


def _encoded(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
