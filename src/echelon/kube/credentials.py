"""Who the client is to an API server, and how it learns that anew when it expires.

``Credentials`` give an ``Identity`` for each request; what is costly to find (a file, a plugin's
run) is kept until it expires or the server rejects it. Secrets appear in no log line, message or
``repr``.
"""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from echelon.api.meta import Clock, SystemClock, parse_time

REREAD_SECONDS = 60.0  # how long the content of a token file is trusted
EXPIRY_MARGIN = 10.0  # seconds before its end at which a plugin's credential counts as expired
EXEC_API_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


class CredentialsError(Exception):
    """No credentials to be had: a file is missing, a plugin failed."""


class Identity(msgspec.Struct, frozen=True):
    """What proves who the client is: an ``Authorization`` header, a client certificate with its key (PEM), or both."""

    authorization: str = ""
    certificate: bytes = b""
    key: bytes = b""

    def __repr__(self) -> str:
        held = [name for name in ("authorization", "certificate") if getattr(self, name)]
        return f"Identity({', '.join(held) or 'anonymous'})"


ANONYMOUS = Identity()


class Credentials(Protocol):
    """Where an identity comes from."""

    async def identity(self) -> Identity:
        """The identity to use now.

        Raises:
            CredentialsError: there is none.
        """

    def rejected(self, identity: Identity) -> bool:
        """The server answered 401 to an identity: forget it. True when asking again may give another one."""


class StaticCredentials:
    """An identity that never changes."""

    def __init__(self, identity: Identity = ANONYMOUS) -> None:
        self._identity = identity

    async def identity(self) -> Identity:
        return self._identity

    def rejected(self, identity: Identity) -> bool:
        return False


def bearer(token: str) -> Identity:
    return Identity(authorization=f"Bearer {token}")


def basic(username: str, password: str) -> Identity:
    return Identity(authorization="Basic " + base64.b64encode(f"{username}:{password}".encode()).decode())


class TokenFile:
    """A bearer token in a file that somebody else renews (projected service-account tokens)."""

    def __init__(self, path: Path, base: Identity = ANONYMOUS) -> None:
        self._path = path
        self._base = base
        self._identity: Identity | None = None
        self._read_at = 0.0

    async def identity(self) -> Identity:
        now = asyncio.get_running_loop().time()
        if self._identity is None or now - self._read_at >= REREAD_SECONDS:
            try:
                token = self._path.read_text().strip()
            except OSError as error:
                raise CredentialsError(f"cannot read the token file {self._path}: {error.strerror}") from error
            if not token:
                raise CredentialsError(f"the token file {self._path} is empty")
            self._identity = msgspec.structs.replace(self._base, authorization=f"Bearer {token}")
            self._read_at = now
        return self._identity

    def rejected(self, identity: Identity) -> bool:
        if self._identity is identity:  # else it has been renewed since
            self._identity = None
        return True


class ExecConfig(msgspec.Struct, frozen=True, rename="camel"):
    """The ``exec`` entry of a kubeconfig user: a program that prints an ``ExecCredential``."""

    command: str
    api_version: str
    args: Sequence[str] | None = None
    env: Sequence[Mapping[str, str]] | None = None
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = "IfAvailable"


class _ExecStatus(msgspec.Struct, frozen=True, rename="camel"):
    token: str = ""
    expiration_timestamp: str | None = None
    client_certificate_data: str = ""
    client_key_data: str = ""


class _ExecCredential(msgspec.Struct, frozen=True, rename="camel"):
    api_version: str
    kind: str
    status: _ExecStatus | None = None


class ExecPlugin:
    """Credentials from a program, run when the last ones have expired or were rejected; never twice at once.

    ``cluster`` is what the program is told about the server when it asks for that; ``interactive``
    says whether a person is there to answer it.
    """

    def __init__(
        self,
        config: ExecConfig,
        *,
        cluster: Mapping[str, Any] | None = None,
        base: Identity = ANONYMOUS,
        clock: Clock | None = None,
        interactive: Callable[[], bool] | None = None,
    ) -> None:
        self._config = config
        self._cluster = cluster
        self._base = base
        self._clock = clock or SystemClock()
        self._interactive = interactive or sys.stdin.isatty
        self._identity: Identity | None = None
        self._expires: float | None = None
        self._lock = asyncio.Lock()

    async def identity(self) -> Identity:
        async with self._lock:
            if self._identity is None or self._expired():
                self._accept(await self._run())
            assert self._identity is not None
            return self._identity

    def rejected(self, identity: Identity) -> bool:
        if self._identity is identity:  # else it has been renewed since
            self._identity = None
        return True

    def _expired(self) -> bool:
        return self._expires is not None and self._clock.now().timestamp() > self._expires - EXPIRY_MARGIN

    def _accept(self, status: _ExecStatus) -> None:
        if bool(status.client_certificate_data) != bool(status.client_key_data):
            raise CredentialsError(f"{self._config.command} gave a client certificate or a key without the other")
        if not status.token and not status.client_certificate_data:
            raise CredentialsError(f"{self._config.command} gave neither a token nor a client certificate")
        self._identity = Identity(
            authorization=f"Bearer {status.token}" if status.token else self._base.authorization,
            certificate=status.client_certificate_data.encode() or self._base.certificate,
            key=status.client_key_data.encode() or self._base.key,
        )
        expires = status.expiration_timestamp
        self._expires = parse_time(expires).timestamp() if expires else None

    async def _run(self) -> _ExecStatus:
        config = self._config
        interactive = config.interactive_mode != "Never" and self._interactive()
        if config.interactive_mode == "Always" and not interactive:
            raise CredentialsError(f"{config.command} wants to ask for something and there is no terminal to do it on")
        try:
            process = await asyncio.create_subprocess_exec(
                config.command,
                *(config.args or ()),
                stdin=None if interactive else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                env=self._environment(interactive),
            )
        except OSError as error:
            hint = f"; {config.install_hint.strip()}" if config.install_hint else ""
            raise CredentialsError(f"cannot run {config.command}: {error.strerror}{hint}") from error
        try:
            output, _ = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        if process.returncode:
            raise CredentialsError(f"{config.command} failed with exit code {process.returncode}")
        return self._parse(output)

    def _environment(self, interactive: bool) -> dict[str, str]:
        spec: dict[str, Any] = {"interactive": interactive}
        if self._config.provide_cluster_info:
            spec["cluster"] = self._cluster or {}
        told = {"apiVersion": self._config.api_version, "kind": "ExecCredential", "spec": spec}
        own = {entry["name"]: entry["value"] for entry in self._config.env or ()}
        return {**os.environ, **own, "KUBERNETES_EXEC_INFO": msgspec.json.encode(told).decode()}

    def _parse(self, output: bytes) -> _ExecStatus:
        command = self._config.command
        try:
            credential = msgspec.json.decode(output, type=_ExecCredential)
        except msgspec.DecodeError as error:
            raise CredentialsError(f"{command} did not print an ExecCredential") from error
        if credential.api_version != self._config.api_version:
            raise CredentialsError(
                f"{command} printed {credential.api_version}, the kubeconfig says {self._config.api_version}"
            )
        if credential.kind != "ExecCredential" or credential.status is None:
            raise CredentialsError(f"{command} printed an ExecCredential without a status")
        return credential.status
