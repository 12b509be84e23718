"""Where the token of an agent is kept: a file, or a Secret of the member that is mounted as one."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

from echelon.api.meta import Resource
from echelon.kube.client import Client
from echelon.kube.credentials import CredentialsError
from echelon.kube.kinds import Key, Unstructured
from echelon.kube.patches import MergePatch

SECRETS = Unstructured(Resource("", "v1", "secrets", "Secret", namespaced=True))
TOKEN_KEY = "token"


class TokenFile:
    """A file that is this process's to write, readable by its owner only."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> str:
        return _read(self._path)

    async def write(self, token: str) -> None:
        await asyncio.to_thread(_replace, self._path, token)


class TokenSecret:
    """A Secret of the member: read where it is mounted, written by way of the member's API server."""

    def __init__(self, path: Path, member: Client, secret: Key) -> None:
        self._path = path
        self._member = member
        self._secret = secret

    def read(self) -> str:
        return _read(self._path)

    async def write(self, token: str) -> None:
        await self._member.patch(SECRETS, self._secret, MergePatch({"stringData": {TOKEN_KEY: token}}))


def _read(path: Path) -> str:
    try:
        token = path.read_text().strip()
    except OSError as error:
        raise CredentialsError(f"cannot read the token file {path}: {error.strerror}") from error
    if not token:
        raise CredentialsError(f"the token file {path} is empty")
    return token


def _replace(path: Path, token: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # with mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(token)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
