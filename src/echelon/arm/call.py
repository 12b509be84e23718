"""One request: what it asks for, for whom, and the hub that it is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from echelon.api.meta import Clock, format_time
from echelon.arm import envelope
from echelon.arm.directory import Directory, GenerateRun, Record, UpdateRules
from echelon.arm.errors import ArmError, invalid
from echelon.arm.ids import FleetId
from echelon.arm.paging import page
from echelon.kube.client import Client
from echelon.kube.errors import ApiError

T = TypeVar("T")

_REVIEW: Mapping[str, Any] = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer; without a body, an empty one."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = {}


class Rules(msgspec.Struct, frozen=True):
    """What the face is told by those who know update runs."""

    runs: UpdateRules
    generate: GenerateRun


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request for something of a fleet. ``fleet`` is spelled as the caller spelled it."""

    names: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    version: str
    base: str
    directory: Directory
    rules: Rules
    clock: Clock
    token: str
    hub: str
    client: Client
    fleet: FleetId
    record: Record

    @property
    def name(self) -> str:
        """The resource that the path ends in, as the hub knows it."""
        return self.names["name"].lower()

    @property
    def properties(self) -> Mapping[str, Any]:
        """The properties of the body. Raises ArmError when there are none."""
        return object_of(object_of(self.body, "").get("properties"), "properties")

    def check_preconditions(self, present: Any) -> None:
        """Hold ``If-Match`` and ``If-None-Match`` against an object; None when there is none."""
        metadata = None if present is None else present.metadata
        envelope.check_preconditions(metadata, self.headers.get("if-match"), self.headers.get("if-none-match"))

    async def user(self) -> str:
        """As whom the caller is known on the hub."""
        review: dict[str, Any] = await self.client.create(dict(_REVIEW))
        name: str = review.get("status", {}).get("userInfo", {}).get("username", "")
        return name

    async def notes(self, *, created: bool) -> dict[str, str]:
        """The annotations that say who wrote."""
        user, now = await self.user(), format_time(self.clock.now())
        found = {envelope.MODIFIED_BY: user, envelope.MODIFIED_AT: now}
        return {envelope.CREATED_BY: user, **found} if created else found

    def page(self, items: Sequence[T], key: Callable[[T], str], path: str, shown: Callable[[T], Any]) -> Reply:
        """A page of a list, and where the next one is."""
        return Reply(body=page(items, key, self.query, f"{self.base}{path}", shown))


def object_of(value: Any, target: str) -> Mapping[str, Any]:
    """The value, which has to be an object. Raises ArmError."""
    if isinstance(value, Mapping):
        return value
    what = target or "the body"
    if isinstance(value, bytes):
        raise ArmError(415, "UnsupportedMediaType", "The body is to be JSON, with the Content-Type application/json.")
    if value is None:
        raise invalid(f"{what} is required", target)
    raise invalid(f"{what} is to be an object, not {value!r:.100}", target)


async def found(reading: Any) -> Any:
    """What is read, or None when it does not exist."""
    try:
        return await reading
    except ApiError as error:
        if error.code == 404:
            return None
        raise
