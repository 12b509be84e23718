"""Access to a server: who asks, what they may do, and who is told about it.

``Access`` puts the parts together for one server. Requests are authenticated by client certificate,
by what the embedder brings, and by token of a service account, in this order; they may then act as
somebody else; they are authorized by roles, unless the embedder brings an authorizer of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path

import msgspec
import orjson

from echelon.apiserver.access.accounts import ServiceAccounts
from echelon.apiserver.access.aggregation import RoleAggregator
from echelon.apiserver.access.authorizer import RoleBasedAccess
from echelon.apiserver.access.bootstrap import ensure_defaults
from echelon.apiserver.access.certificates import ClientCertificates
from echelon.apiserver.access.escalation import EscalationCheck
from echelon.apiserver.access.impersonation import impersonation
from echelon.apiserver.access.index import RoleIndex
from echelon.apiserver.access.reviews import Reviews
from echelon.apiserver.access.secret_tokens import SecretTokens
from echelon.apiserver.access.signing import ALGORITHM, Signer
from echelon.apiserver.access.token_requests import TokenRequests
from echelon.apiserver.authentication import Authenticator, Authorizer, FirstOf, User, denial
from echelon.apiserver.handlers.context import Action, ActionKey
from echelon.apiserver.objects import Objects
from echelon.apiserver.responses import Answer

__all__ = ["Access", "AccessOptions"]

_JWKS = b"application/jwk-set+json"
_CACHED = [(b"cache-control", b"public, max-age=3600")]


class AccessOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What an embedder may choose.

    ``issuer`` stands in tokens of service accounts, ``audiences`` (by default the issuer alone) are
    those that this server answers to. ``signing_key`` is a PEM file, made when absent; without one,
    tokens end with the process. ``client_authority`` (PEM) issues client certificates.
    """

    issuer: str = "https://kubernetes.default.svc.cluster.local"
    audiences: tuple[str, ...] = ()
    signing_key: Path | None = None
    client_authority: bytes | None = None


class Access:
    """Authentication and authorization of one server."""

    def __init__(
        self,
        objects: Objects,
        options: AccessOptions,
        authenticator: Authenticator | None = None,
        authorizer: Authorizer | None = None,
        root_certificate: str | None = None,
    ) -> None:
        """``root_certificate`` (PEM) goes into the secrets that hold tokens.

        Raises:
            BadKey: the key file cannot be used.
        """
        self._objects = objects
        self._options = options
        signer = Signer() if options.signing_key is None else Signer.from_file(options.signing_key)
        accounts = ServiceAccounts(objects, signer, options.issuer, options.audiences or (options.issuer,))
        self.takes_certificates = options.client_authority is not None
        certificates = ClientCertificates(options.client_authority, objects.clock) if options.client_authority else None
        given: Iterable[Authenticator | None] = (certificates, authenticator, accounts)
        self.authenticator: Authenticator = FirstOf(each for each in given if each is not None)
        self._index = RoleIndex(objects)
        self._aggregator = RoleAggregator(objects)
        roles = RoleBasedAccess(self._index)
        self.authorizer: Authorizer = roles if authorizer is None else authorizer
        self._reviews = Reviews(self.authenticator, self.authorizer, accounts, roles if authorizer is None else None)
        self._token_requests = TokenRequests(objects, accounts)
        self._secret_tokens = SecretTokens(objects, accounts, root_certificate)
        for follower in (self._index, self._aggregator, self._secret_tokens):
            objects.observe(follower.observe)
        if authorizer is None:
            objects.admit(EscalationCheck(roles, self._index))
        self._documents = _documents(options.issuer, signer)

    def actions(self) -> Iterable[tuple[ActionKey, Action]]:
        """What answers reviews and token requests."""
        reviews = (((group, plural, ""), action) for (group, plural), action in self._reviews.actions().items())
        return itertools.chain(reviews, [(("", "serviceaccounts", "token"), self._token_requests)])

    async def start(self) -> None:
        """Create or repair the default roles, and begin to follow changes."""
        self._index.load()
        await ensure_defaults(self._objects)
        await self._aggregator.start()
        self._secret_tokens.start()

    async def close(self) -> None:
        await self._secret_tokens.close()
        await self._aggregator.close()

    def acting(self, user: User, headers: Iterable[tuple[bytes, bytes]]) -> User:
        """As whom a user's request acts: itself, unless its headers ask for another user.

        Raises:
            StatusError: 403 when the user may not act as the other, 400 when the headers make no sense.
        """
        wanted = impersonation(headers)
        if wanted is None:
            return user
        for attributes in wanted.needed:
            decision = self.authorizer.decide(user, attributes)
            if not decision.allowed:
                raise denial(user, attributes, decision)
        return wanted.user

    def document(self, segments: list[str]) -> Answer | None:
        """A document by which others verify tokens of service accounts; None for any other path."""
        return self._documents.get(tuple(segments))


def _documents(issuer: str, signer: Signer) -> dict[tuple[str, ...], Answer]:
    configuration = {
        "issuer": issuer,
        "jwks_uri": f"{issuer.rstrip('/')}/openid/v1/jwks",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
    }
    return {
        (".well-known", "openid-configuration"): Answer(200, orjson.dumps(configuration), headers=_CACHED),
        ("openid", "v1", "jwks"): Answer(200, orjson.dumps(signer.jwks()), _JWKS, _CACHED),
    }
