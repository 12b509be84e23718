"""What handlers share, and what a request is about once its path has been looked up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from echelon.apiserver.authentication import User
from echelon.apiserver.clock import Clock
from echelon.apiserver.definitions import Object, ResourceDefinition
from echelon.apiserver.negotiate import Form, object_form
from echelon.apiserver.objects import Objects
from echelon.apiserver.preparation import Write
from echelon.apiserver.query import WriteOptions
from echelon.apiserver.registry import Registry, Served
from echelon.apiserver.request import Request
from echelon.apiserver.streams import Streams


class ActionRequest(msgspec.Struct, frozen=True):
    """A request that is answered by a function: a review, or a subresource with a meaning of its own."""

    user: User
    definition: ResourceDefinition
    namespace: str
    name: str
    body: Object
    options: WriteOptions


Action = Callable[[ActionRequest], Awaitable[Object]]
"""Answers an ``ActionRequest`` with an object; raises ``StatusError`` to refuse it."""

ActionKey = tuple[str, str, str]
"""Group, plural and subresource, which is empty for reviews."""


class Context:
    """The parts of a server that handlers use."""

    def __init__(self, objects: Objects, streams: Streams) -> None:
        self.objects = objects
        self.streams = streams
        self.actions: dict[ActionKey, Action] = {}

    @property
    def registry(self) -> Registry:
        return self.objects.registry

    @property
    def clock(self) -> Clock:
        return self.objects.clock


class Target:
    """A request together with the resource it is about."""

    __slots__ = ("name", "namespace", "request", "served", "subresource")

    def __init__(self, request: Request, served: Served, namespace: str, name: str, subresource: str) -> None:
        self.request = request
        self.served = served
        self.namespace = namespace
        self.name = name
        self.subresource = subresource

    @property
    def definition(self) -> ResourceDefinition:
        return self.served.definition

    def form(self) -> Form:
        """The form the client accepts.

        Raises:
            StatusError: 406 when there is none.
        """
        return object_form(self.request.header(b"accept"))

    def write(self, options: WriteOptions) -> Write:
        """The circumstances of a write by this request."""
        return Write(
            served=self.served,
            namespace=self.namespace,
            options=options,
            manager=options.field_manager or default_manager(self.request.header(b"user-agent")),
            user=self.request.user,
            subresource=self.subresource,
            warnings=self.request.warnings,
        )


def default_manager(user_agent: str) -> str:
    """The field manager of a client that does not name one: its program's name."""
    return user_agent.partition("/")[0][:128] or "unknown"
