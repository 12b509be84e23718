"""A small Kubernetes API server that anyone could embed.

    database = Database.open(path, summarize=summarize)
    admin = User("admin", groups=(MASTERS,))
    server = ApiServer(database.keyspace("main"), authenticator=StaticTokens({"secret": admin}))
    await server.start()
    http = await serve(server, port=6443, tls=context, before_stop=server.end_streams)

It stores objects and keeps the rules of Kubernetes about them; kubectl and client libraries take it
for a cluster. It runs no workloads. ``ApiServer`` is an ASGI application and may be mounted under a
path prefix; several may share a ``Database``.

Names are loaded when first used, so that a part of the server can be used without the rest.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from echelon.apiserver.access import AccessOptions
    from echelon.apiserver.access.audit_log import AuditLog
    from echelon.apiserver.app import ApiServer
    from echelon.apiserver.authentication import (
        MASTERS,
        AllowAll,
        Attributes,
        Authenticator,
        Authorizer,
        Credentials,
        Decision,
        FirstOf,
        MastersOnly,
        StaticTokens,
        User,
    )
    from echelon.apiserver.clock import Clock, SystemClock
    from echelon.apiserver.errors import StatusError
    from echelon.apiserver.handlers.context import Action, ActionRequest
    from echelon.apiserver.lifecycle import Provisioning
    from echelon.apiserver.metadata import summarize
    from echelon.apiserver.server import RunningServer, serve
    from echelon.apiserver.storage import Database

__all__ = [
    "MASTERS",
    "AccessOptions",
    "Action",
    "ActionRequest",
    "AllowAll",
    "ApiServer",
    "Attributes",
    "AuditLog",
    "Authenticator",
    "Authorizer",
    "Clock",
    "Credentials",
    "Database",
    "Decision",
    "FirstOf",
    "MastersOnly",
    "Provisioning",
    "RunningServer",
    "StaticTokens",
    "StatusError",
    "SystemClock",
    "User",
    "serve",
    "summarize",
]

_MODULES = {
    "access": ("AccessOptions",),
    "access.audit_log": ("AuditLog",),
    "app": ("ApiServer",),
    "authentication": (
        "MASTERS",
        "AllowAll",
        "Attributes",
        "Authenticator",
        "Authorizer",
        "Credentials",
        "Decision",
        "FirstOf",
        "MastersOnly",
        "StaticTokens",
        "User",
    ),
    "clock": ("Clock", "SystemClock"),
    "errors": ("StatusError",),
    "handlers.context": ("Action", "ActionRequest"),
    "lifecycle": ("Provisioning",),
    "metadata": ("summarize",),
    "server": ("RunningServer", "serve"),
    "storage": ("Database",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    module = _HOME.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)
