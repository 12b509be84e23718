"""What a user may do, as the hub says: what one may not do is not offered.

Asked by SelfSubjectAccessReview and remembered for ``REMEMBERED`` seconds, so that a page of many buttons asks
little. Remembering is a courtesy to the eye only: every call is made with the user's own token, and the hub judges it
anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from msgspec import Struct

from echelon.api.meta import KubeObject, Resource
from echelon.kube.client import Client
from echelon.kube.kinds import Unstructured

REMEMBERED = 15.0
_REVIEWS = Unstructured(
    Resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False)
)


class Ask(Struct, frozen=True):
    """A right: a verb on a kind, in all namespaces unless one is named."""

    verb: str
    group: str
    resource: str
    subresource: str = ""
    namespace: str = ""


def to(verb: str, kind: type[KubeObject], subresource: str = "", namespace: str = "") -> Ask:
    """The right to do something to objects of a kind."""
    return Ask(verb, kind.resource.group, kind.resource.plural, subresource, namespace)


class Rights:
    """The rights of one user, as far as anybody wanted to know."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[Ask, tuple[bool, float]] = {}

    def may(self, ask: Ask) -> bool:
        """Whether the user had a right when it was last asked; False for one that was not asked about."""
        return self._known.get(ask, (False, 0.0))[0]

    async def learn(self, asks: Iterable[Ask]) -> None:
        """Ask the hub about these, unless that was done just now. Raises ApiError."""
        now = asyncio.get_running_loop().time()
        unknown = {ask for ask in asks if ask not in self._known or now - self._known[ask][1] > REMEMBERED}
        answers = await asyncio.gather(*map(self._review, unknown))
        self._known.update((ask, (allowed, now)) for ask, allowed in zip(unknown, answers, strict=True))

    async def _review(self, ask: Ask) -> bool:
        attributes = {
            "verb": ask.verb,
            "group": ask.group,
            "resource": ask.resource,
            "subresource": ask.subresource,
            "namespace": ask.namespace,
        }
        spec = {"resourceAttributes": {name: value for name, value in attributes.items() if value}}
        kind = {"apiVersion": _REVIEWS.resource.api_version, "kind": _REVIEWS.resource.kind}
        review = await self._client.create({**kind, "spec": spec}, _REVIEWS)
        return bool(review["status"].get("allowed"))
