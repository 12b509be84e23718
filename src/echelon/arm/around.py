"""The requests around fleets: clouds, tenants, subscriptions, providers, lists of fleets.

Clients ask for these before, between and after what they came for. What is not a fleet's is told to whoever shows
a token that a hub knows; where to sign in is told to everybody.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request

from echelon.arm import surroundings, versions
from echelon.arm.call import Reply
from echelon.arm.directory import Directory, Record, read_record
from echelon.arm.errors import ArmError, from_hub
from echelon.arm.handlers import fleets
from echelon.arm.paging import page
from echelon.arm.requests import bearer
from echelon.arm.router import Route
from echelon.kube.errors import ApiError, Forbidden, Unauthorized

TENANT, NAMESPACES = surroundings.TENANT, surroundings.NAMESPACES
_PROVIDER = "/providers/Microsoft.ContainerService"
_GROUP = "/subscriptions/{subscription}/resourceGroups/{group}"


class Question(msgspec.Struct, frozen=True):
    """A request around fleets."""

    request: Request
    names: Mapping[str, str]
    body: Any
    base: str


Answering = Callable[[Question], Awaitable[Reply]]


class Surroundings:
    """Answers from what the hubs of a directory say of themselves."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def routes(self) -> list[Route[Answering]]:
        return [
            Route("GET", "/metadata/endpoints", self.cloud),
            Route("GET", "/tenants", self.tenants),
            Route("GET", "/subscriptions", self.subscriptions),
            Route("GET", "/subscriptions/{subscription}", self.subscription),
            Route("GET", "/subscriptions/{subscription}/locations", self.locations),
            Route("GET", "/subscriptions/{subscription}/providers", self.providers),
            Route("GET", "/subscriptions/{subscription}/providers/{namespace}", self.provider),
            Route("POST", "/subscriptions/{subscription}/providers/{namespace}/register", self.provider),
            Route("GET", f"{_PROVIDER}/operations", self.operations),
            Route("GET", f"/subscriptions/{{subscription}}{_PROVIDER}/fleets", self.fleets),
            Route("GET", f"{_GROUP}{_PROVIDER}/fleets", self.fleets),
        ]

    async def cloud(self, question: Question) -> Reply:
        """The cloud in the shape of the version: of old, as one of a list from 2019 on, by itself from 2022 on."""
        version = question.request.query_params.get("api-version", "")
        if version < "2019":
            return Reply(body=surroundings.old_cloud(question.base))
        cloud = surroundings.cloud(question.base)
        return Reply(body=cloud if version >= "2022" else [cloud])

    async def tenants(self, question: Question) -> Reply:
        await self._records(question)
        return Reply(body={"value": [surroundings.tenant()]})

    async def subscriptions(self, question: Question) -> Reply:
        ids = dict.fromkeys(record.id.subscription for record in await self._records(question))
        return Reply(body={"value": [surroundings.subscription(id_) for id_ in ids]})

    async def subscription(self, question: Question) -> Reply:
        await of_subscription(self._directory, question)
        return Reply(body=surroundings.subscription(question.names["subscription"]))

    async def locations(self, question: Question) -> Reply:
        """Where fleets are."""
        places = dict.fromkeys(record.location for _, record in await of_subscription(self._directory, question))
        return Reply(body={"value": [surroundings.location(question.names["subscription"], name) for name in places]})

    async def providers(self, question: Question) -> Reply:
        _, record = (await of_subscription(self._directory, question))[0]
        id_ = question.names["subscription"]
        found = [surroundings.provider(id_, name, versions.VERSIONS, record.location) for name in NAMESPACES]
        return Reply(body={"value": found})

    async def provider(self, question: Question) -> Reply:
        records = await self._records(question)
        location = records[0].location if records else ""
        names = question.names
        found = surroundings.provider(names["subscription"], names["namespace"], versions.VERSIONS, location)
        return Reply(body=found)

    async def operations(self, question: Question) -> Reply:
        await self._records(question)
        versions.checked(question.request.query_params.get("api-version"), "")
        return Reply(body={"value": surroundings.operations()})

    async def fleets(self, question: Question) -> Reply:
        version = versions.checked(question.request.query_params.get("api-version"), "")
        group = question.names.get("group")
        records = [record for _, record in await of_subscription(self._directory, question)]
        found = [record for record in records if group is None or record.id.group.lower() == group.lower()]
        request = question.request
        address = f"{question.base}{request.url.path}"
        body = page(found, _path, request.query_params, address, lambda record: fleets.shown(record, record.id))
        return Reply(body=versions.shaped(body, version))

    async def _records(self, question: Question) -> list[Record]:
        return [record for _, record in await seen_fleets(self._directory, question)]


async def of_subscription(directory: Directory, question: Question) -> list[tuple[str, Record]]:
    """The fleets of a subscription that the caller sees, and the hubs that they are.

    Raises:
        ArmError: 401, no hub knows the caller; 404, there are none.
    """
    wanted = question.names["subscription"].lower()
    found = [
        (hub, record)
        for hub, record in await seen_fleets(directory, question)
        if record.id.subscription.lower() == wanted
    ]
    if not found:
        message = f"The subscription {question.names['subscription']!r} could not be found."
        raise ArmError(404, "SubscriptionNotFound", message)
    return found


async def seen_fleets(directory: Directory, question: Question) -> list[tuple[str, Record]]:
    """The fleets that the caller sees, and the hubs that they are.

    Raises:
        ArmError: 401, no hub knows the caller.
    """
    token = bearer(question.request)
    refused: ApiError | None = None
    known = False
    found: list[tuple[str, Record]] = []
    for hub in directory.hubs():
        async with directory.connect(hub, token) as client:
            try:
                found.append((hub, await read_record(client, hub, directory)))
            except Forbidden:
                pass
            except Unauthorized as error:
                refused = error
                continue
        known = True
    if refused is not None and not known:
        raise from_hub(refused, {}) from refused
    return found


def _path(record: Record) -> str:
    return str(record.id).lower()
