"""Service accounts as users: tokens that are issued on request, and whose they are when they are shown.

A token names the account, and perhaps a Pod, Secret or Node, by name and uid. It is good until it
expires and as long as these exist, so deleting one of them revokes it at once. Signatures are checked
once a token and remembered; expiry, audience and the objects are looked at each time.

Secrets of type ``kubernetes.io/service-account-token`` hold tokens that do not expire; such a token is
good while its secret holds it.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import orjson

from echelon.apiserver.access.index import SERVICE_ACCOUNT_PREFIX
from echelon.apiserver.access.signing import NotOurs, Signer
from echelon.apiserver.authentication import AUTHENTICATED, Credentials, User
from echelon.apiserver.clock import parse_time
from echelon.apiserver.definitions import Object
from echelon.apiserver.objects import ObjectRecord, Objects

LEGACY_ISSUER = "kubernetes/serviceaccount"
_LEGACY = "kubernetes.io/serviceaccount/"
_EXTRA = "authentication.kubernetes.io/"
_REMEMBERED = 2048


class Named(msgspec.Struct, frozen=True, gc=False):
    """An object by name and uid."""

    name: str = ""
    uid: str = ""


class Private(msgspec.Struct, frozen=True, gc=False):
    """The claim ``kubernetes.io``."""

    namespace: str = ""
    serviceaccount: Named = Named()
    pod: Named | None = None
    secret: Named | None = None
    node: Named | None = None


class Claims(msgspec.Struct, frozen=True, gc=False):
    """What a token says. Tokens of secrets have no expiry and name the account in claims of their own."""

    iss: str = ""
    sub: str = ""
    aud: tuple[str, ...] = ()
    exp: int = 0
    nbf: int = 0
    jti: str = ""
    private: Private | None = msgspec.field(default=None, name="kubernetes.io")
    legacy_namespace: str = msgspec.field(default="", name=f"{_LEGACY}namespace")
    legacy_secret: str = msgspec.field(default="", name=f"{_LEGACY}secret.name")
    legacy_account: str = msgspec.field(default="", name=f"{_LEGACY}service-account.name")
    legacy_uid: str = msgspec.field(default="", name=f"{_LEGACY}service-account.uid")


_decode_claims = msgspec.json.Decoder(Claims).decode


class Bound(msgspec.Struct, frozen=True):
    """The object that a token is to end with."""

    kind: str
    name: str
    uid: str


class ServiceAccounts:
    """Issues and recognises tokens of service accounts. Satisfies ``apiserver.Authenticator``."""

    def __init__(self, objects: Objects, signer: Signer, issuer: str, audiences: Sequence[str]) -> None:
        self._objects = objects
        self._signer = signer
        self._issuer = issuer
        self.audiences = tuple(audiences)
        self._known: OrderedDict[bytes, Claims] = OrderedDict()

    async def authenticate(self, credentials: Credentials) -> User | None:
        return self.user_of(credentials.token, self.audiences) if credentials.token else None

    def user_of(self, token: str, audiences: Sequence[str]) -> User | None:
        """The account whose valid token, for one of these audiences, this is."""
        claims = self._claims(token)
        if claims is None:
            return None
        if claims.private is None:
            return self._user_of_secret(claims, token) if set(audiences) & set(self.audiences) else None
        now = self._objects.clock.now().timestamp()
        if claims.iss != self._issuer or not claims.nbf <= now < claims.exp or not set(audiences) & set(claims.aud):
            return None
        return self._user_of(claims, claims.private)

    def accepted(self, token: str, audiences: Sequence[str]) -> list[str]:
        """Which of these audiences a valid token is for."""
        claims = self._claims(token)
        own = self.audiences if claims is None or claims.private is None else claims.aud
        return [audience for audience in audiences if audience in own]

    def issue(
        self, account: ObjectRecord, audiences: Sequence[str], life: timedelta, bound: Sequence[Bound] = ()
    ) -> tuple[str, datetime]:
        """A token for an account, and when it expires."""
        namespace, name = account.key.namespace, account.key.name
        now = int(self._objects.clock.now().timestamp())
        expiry = now + int(life.total_seconds())
        private: Object = {"namespace": namespace}
        for reference in bound:
            private[reference.kind.lower()] = {"name": reference.name, "uid": reference.uid}
        private["serviceaccount"] = {"name": name, "uid": account.summary.uid}
        claims = {
            "aud": list(audiences),
            "exp": expiry,
            "iat": now,
            "iss": self._issuer,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": private,
            "nbf": now,
            "sub": f"{SERVICE_ACCOUNT_PREFIX}{namespace}:{name}",
        }
        return self._signer.sign(claims), datetime.fromtimestamp(expiry, UTC)

    def issue_for_secret(self, account: ObjectRecord, secret: str) -> str:
        """The token that a secret of the account is to hold."""
        namespace, name = account.key.namespace, account.key.name
        claims = {
            "iss": LEGACY_ISSUER,
            f"{_LEGACY}namespace": namespace,
            f"{_LEGACY}secret.name": secret,
            f"{_LEGACY}service-account.name": name,
            f"{_LEGACY}service-account.uid": account.summary.uid,
            "sub": f"{SERVICE_ACCOUNT_PREFIX}{namespace}:{name}",
        }
        return self._signer.sign(claims)

    def _claims(self, token: str) -> Claims | None:
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(digest)
        if known is not None:
            self._known.move_to_end(digest)
            return known
        try:
            claims = _decode_claims(self._signer.read(token))
        except (NotOurs, msgspec.MsgspecError):
            return None
        self._known[digest] = claims
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return claims

    def _user_of(self, claims: Claims, private: Private) -> User | None:
        namespace, account, pod, node = private.namespace, private.serviceaccount, private.pod, private.node
        extra: dict[str, Sequence[str]] = {f"{_EXTRA}credential-id": [f"JTI={claims.jti}"]}
        holds = self._exists("serviceaccounts", namespace, account)
        if private.secret is not None:
            holds = holds and self._exists("secrets", namespace, private.secret)
        if pod is not None:
            holds = holds and self._exists("pods", namespace, pod)
            extra |= {f"{_EXTRA}pod-name": [pod.name], f"{_EXTRA}pod-uid": [pod.uid]}
        if node is not None:  # of a pod it says only where that runs
            holds = holds and (pod is not None or self._exists("nodes", "", node))
            extra |= {f"{_EXTRA}node-name": [node.name], f"{_EXTRA}node-uid": [node.uid]}
        return _user(namespace, account, extra) if holds else None

    def _user_of_secret(self, claims: Claims, token: str) -> User | None:
        namespace = claims.legacy_namespace
        account = Named(claims.legacy_account, claims.legacy_uid)
        if claims.iss != LEGACY_ISSUER or not self._exists("serviceaccounts", namespace, account):
            return None
        record = self._objects.keyspace.bucket("/secrets").get(namespace, claims.legacy_secret)
        if record is None or record.summary.deletion_timestamp is not None:
            return None
        held = (orjson.loads(record.value).get("data") or {}).get("token", "")
        if held != base64.b64encode(token.encode()).decode():
            return None
        return _user(namespace, account, {})

    def _exists(self, plural: str, namespace: str, wanted: Named) -> bool:
        record = self._objects.keyspace.bucket(f"/{plural}").get(namespace, wanted.name)
        if record is None or record.summary.uid != wanted.uid:
            return False
        end = record.summary.deletion_timestamp  # of a pod, when its grace period is over
        return end is None or parse_time(end) > self._objects.clock.now()


def _user(namespace: str, account: Named, extra: Mapping[str, Sequence[str]]) -> User:
    groups = (*service_account_groups(namespace), AUTHENTICATED)
    return User(f"{SERVICE_ACCOUNT_PREFIX}{namespace}:{account.name}", groups, account.uid, extra)


def service_account_groups(namespace: str) -> tuple[str, str]:
    """The groups of every service account of a namespace."""
    return "system:serviceaccounts", f"system:serviceaccounts:{namespace}"


def service_account_of(username: str) -> tuple[str, str] | None:
    """Namespace and name of the service account that a user is; None for any other user."""
    if not username.startswith(SERVICE_ACCOUNT_PREFIX):
        return None
    namespace, _, name = username[len(SERVICE_ACCOUNT_PREFIX) :].partition(":")
    return (namespace, name) if namespace and name and ":" not in name else None
