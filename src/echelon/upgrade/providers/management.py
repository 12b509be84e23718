"""Clients of the clusters that upgrade others, or themselves: the hub, or what a Secret leads to.

The Secret is in the namespace of the member on the hub, where its agent cannot read Secrets. It has a kubeconfig
under ``kubeconfig`` or, as Cluster API makes them, under ``value``. It has to be whole: what names a file or
a program is refused, as both would be of the hub. It is read for each upgrade that is looked at, so a new one is
taken up; clients are kept while it is the same.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import tempfile
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import yaml

from echelon.api import names
from echelon.api.meta import KubeObject, Resource
from echelon.kube.client import Client, Labels
from echelon.kube.errors import ApiError, Conflict, Forbidden, NotFound, TooManyRequests, Unauthorized, Unreachable
from echelon.kube.http import HttpTransport
from echelon.kube.informer import Informer
from echelon.kube.kinds import Kind
from echelon.kube.kubeconfig import ConfigError, Connection, load
from echelon.kube.tasks import cancel
from echelon.upgrade.providers.contract import Code, Member, ProviderError

Connect = Callable[[Connection], Client]
KEYS = ("kubeconfig", "value")
_REFUSED = ("certificate-authority", "client-certificate", "client-key", "tokenFile", "exec", "auth-provider")


class Secret(KubeObject, frozen=True, kw_only=True):
    """A Secret; values are base64."""

    resource: ClassVar[Resource] = Resource("", "v1", "secrets", "Secret", namespaced=True)

    data: Mapping[str, str] = {}


def over_http(connection: Connection) -> Client:
    """A client that speaks HTTP."""
    return Client(HttpTransport(connection), field_manager="echelon-providers")


def secret_in(resource_id: str, default: str) -> str:
    """The Secret that a cluster resource id names (``?kubeconfig=NAME``), else the default; empty is the hub."""
    found = parse_qs(urlsplit(resource_id).query, keep_blank_values=True).get("kubeconfig")
    return default if found is None else found[0]


class ManagementClusters:
    """Finds the client for a member."""

    def __init__(self, hub: Client, connect: Connect) -> None:
        self._hub = hub
        self._connect = connect
        self._clients: dict[tuple[str, str], tuple[str, Client]] = {}
        self._retired: list[Client] = []

    async def close(self) -> None:
        for client in (*self._retired, *(client for _, client in self._clients.values())):
            await client.close()

    async def client(self, member: Member, secret: str) -> Client:
        """The client that a Secret of a member leads to; the hub's own if none is named.

        Raises:
            ProviderError: there is no such Secret, or none that can be used.
        """
        if not secret:
            return self._hub
        namespace = names.member_namespace(member.name)
        with told(f"Secret {namespace}/{secret}"):
            found = await self._hub.get(Secret, (namespace, secret))
        version = f"{found.metadata.uid} {found.metadata.resource_version}"
        known = self._clients.get((namespace, secret))
        if known is not None and known[0] == version:
            return known[1]
        client = self._connect(_connection(found))
        if known is not None:
            self._retired.append(known[1])  # it may be in use
        self._clients[namespace, secret] = version, client
        return client


def _connection(secret: Secret) -> Connection:
    where = f"Secret {secret.metadata.namespace}/{secret.metadata.name}"
    encoded = next((secret.data[key] for key in KEYS if key in secret.data), None)
    if encoded is None:
        raise ProviderError(Code.AUTH, f"{where} has neither of the keys {' and '.join(KEYS)}", retryable=True)
    try:
        content = base64.b64decode(encoded, validate=True)
        refused = next(_refused(yaml.safe_load(content)), None)
        if refused is not None:
            raise ConfigError(f"{refused} is not allowed in a kubeconfig that is kept in a Secret")
        return _read(content)
    except (binascii.Error, yaml.YAMLError, ConfigError) as error:
        raise ProviderError(Code.AUTH, f"{where}: {error}", retryable=True) from error


def _read(content: bytes) -> Connection:
    """A kubeconfig by way of a file that nobody else can read."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kubeconfig"
        file.touch(mode=0o600)
        file.write_bytes(content)
        try:
            return load(file)
        except ConfigError as error:
            raise ConfigError(str(error).replace(str(file), "the kubeconfig")) from error


def _refused(content: Any) -> Iterator[str]:
    """What a kubeconfig has that leads to files and programs of the hub."""
    if not isinstance(content, dict):
        return
    for section, item in (("clusters", "cluster"), ("users", "user")):
        for entry in content.get(section) or ():
            fields = entry.get(item) if isinstance(entry, dict) else None
            yield from (name for name in _REFUSED if isinstance(fields, dict) and fields.get(name))


@contextmanager
def told(what: str) -> Iterator[None]:
    """Failures of an API server as ``ProviderError``; ``what`` says what was asked about."""
    try:
        yield
    except ApiError as error:
        code, retryable = _classify(error)
        raise ProviderError(code, f"{what}: {error}", retryable=retryable, retry_after=error.retry_after) from error


def _classify(error: ApiError) -> tuple[Code, bool]:
    match error:
        case Unreachable():
            return Code.NETWORK, True
        case Unauthorized() | Forbidden():
            return Code.AUTH, True
        case NotFound():
            return Code.NOT_FOUND, True
        case Conflict():
            return Code.CONFLICT, True
        case TooManyRequests():
            return Code.THROTTLED, True
        case _:
            return Code.UNKNOWN, error.code >= 500


class Watched:
    """Objects of a kind that matter: by name, or by labels."""

    def __init__(self, kind: Kind[Any], namespace: str | None = None, labels: Labels = None, fields: str = "") -> None:
        self.kind = kind
        self.namespace = namespace
        self.labels = labels
        self.fields = fields


async def changes(client: Client, watched: Sequence[Watched], patience: float) -> AsyncGenerator[None]:
    """Something when it all is known, and again whenever any of it has changed, or nothing has for ``patience``."""
    changed = asyncio.Event()
    informers = [Informer(client, w.kind, namespace=w.namespace, labels=w.labels, fields=w.fields) for w in watched]
    for informer in informers:
        informer.add_handler(lambda _: changed.set())
    running = [asyncio.create_task(informer.run(), name="upgrade watch") for informer in informers]
    try:
        await asyncio.gather(*(informer.wait_for_sync() for informer in informers))
        while True:
            changed.clear()
            yield
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await changed.wait()
    finally:
        await cancel(running)
