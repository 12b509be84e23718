"""The kubeconfig by which a hub gets into a member to which it pushes: a Secret in the member's namespace.

Pure. A kubeconfig that is kept on the hub may come from whoever can write that Secret, so nothing in it
makes the hub run a program, read a file of its own, or send a token to a server whose certificate it
cannot check.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec
import yaml

from echelon.api import names
from echelon.api.meta import KubeObject, Resource
from echelon.kube import kubeconfig
from echelon.kube.kubeconfig import Connection, Entry

KEY: Final = "kubeconfig"
Object = dict[str, Any]


class BadKubeconfig(Exception):
    """A kubeconfig that the hub does not use; the message says where it is and what is wrong with it."""


class Secret(KubeObject, frozen=True, kw_only=True):
    """A Secret whose content appears nowhere by accident."""

    resource: ClassVar[Resource] = Resource("", "v1", "secrets", "Secret", namespaced=True)

    data: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return f"Secret({self.metadata.namespace}/{self.metadata.name})"


class Access(msgspec.Struct, frozen=True):
    """How to get into a member: all but a bearer token, and that, which may change by itself; empty for none."""

    connection: Connection
    fixed: str
    token: str

    def __repr__(self) -> str:
        return f"Access({self.connection.server})"


def secret_of(namespace: str, entry: Entry) -> Object:
    """The Secret with a kubeconfig of one context."""
    text = kubeconfig.text([entry], current=entry.name)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": names.MEMBER_KUBECONFIG, "namespace": namespace},
        "type": "Opaque",
        "data": {KEY: _encoded(text)},
    }


def access_of(secret: Secret | None, namespace: str) -> Access:
    """How to get into a member, by its Secret.

    Raises:
        BadKubeconfig: there is none, or one that is not used.
    """
    where = f"the Secret {namespace}/{names.MEMBER_KUBECONFIG}"
    if secret is None:
        raise BadKubeconfig(f"{where} is not there; it has to hold a kubeconfig for the member under {KEY!r}")
    text = _text(secret, where)
    try:
        connection = kubeconfig.parse(text, where)
    except kubeconfig.ConfigError as error:
        raise BadKubeconfig(str(error)) from error
    token = _user(text).get("token") or ""
    return Access(connection, _with_token(text, ""), token)


def with_token(secret: Secret, token: str) -> Mapping[str, str]:
    """The data of a Secret whose kubeconfig has another token."""
    text = base64.b64decode(secret.data[KEY]).decode()
    return {KEY: _encoded(_with_token(text, token))}


def _text(secret: Secret, where: str) -> str:
    if not secret.data.get(KEY):
        raise BadKubeconfig(f"{where} has no kubeconfig under {KEY!r}; there is: {', '.join(secret.data) or 'nothing'}")
    try:
        return base64.b64decode(secret.data[KEY]).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise BadKubeconfig(f"{where}: {KEY!r} is not text") from error


def _user(text: str) -> dict[str, Any]:
    """The user of the current context of a kubeconfig that was found to be good; the entry itself."""
    return _user_in(yaml.safe_load(text))


def _user_in(document: Mapping[str, Any]) -> dict[str, Any]:
    current = document.get("current-context")
    context = next(each["context"] for each in document["contexts"] if each["name"] == current)
    found: Mapping[str, Any] = next(
        (each for each in document.get("users") or () if each["name"] == context.get("user")), {}
    )
    user: dict[str, Any] = found.get("user") or {}
    return user


def _with_token(text: str, token: str) -> str:
    document = yaml.safe_load(text)
    user = _user_in(document)
    if user.get("token"):
        user["token"] = token
    return yaml.safe_dump(document, sort_keys=False)


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
