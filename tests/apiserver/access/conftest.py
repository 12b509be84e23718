"""Users of a server in memory, and rights for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

RBAC = "rbac.authorization.k8s.io"
ROLES = f"/apis/{RBAC}/v1"


class Person:
    """Sends requests as some user, by way of the administrator's right to impersonate."""

    def __init__(self, api: Any, name: str, groups: tuple[str, ...]) -> None:
        self._api = api
        self._headers = {"impersonate-user": name}
        if groups:
            (self._headers["impersonate-group"],) = groups

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        send = getattr(self._api, method)

        def call(*arguments: Any, **rest: Any) -> Awaitable[Any]:
            return send(*arguments, headers=self._headers | rest.pop("headers", {}), **rest)

        return call


@pytest.fixture
def person(api: Any) -> Callable[..., Person]:
    """``person("eve")`` or ``person("eve", "developers")``."""

    def make(name: str, *groups: str) -> Person:
        return Person(api, name, groups)

    return make


def rule(verbs: str, resources: str = "", groups: str = "", **rest: Any) -> dict[str, Any]:
    """A rule from lists separated by commas."""
    made: dict[str, Any] = {"verbs": verbs.split(",")}
    if resources:
        made |= {"apiGroups": groups.split(","), "resources": resources.split(",")}
    return made | rest


def role(name: str, *rules: dict[str, Any], namespace: str = "", **fields: Any) -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    kind = "Role" if namespace else "ClusterRole"
    return {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": metadata, "rules": list(rules), **fields}


def binding(name: str, role: str, *subjects: str, namespace: str = "", kind: str = "ClusterRole") -> dict[str, Any]:
    """Subjects are ``User:eve``, ``Group:developers`` or ``ServiceAccount:namespace/name``."""
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role},
        "subjects": [_subject(subject) for subject in subjects],
    }


def _subject(text: str) -> dict[str, str]:
    kind, _, name = text.partition(":")
    if kind == "ServiceAccount":
        namespace, _, name = name.partition("/")
        return {"kind": kind, "name": name, "namespace": namespace}
    return {"kind": kind, "name": name, "apiGroup": RBAC}


class Rights:
    """Makes roles and bindings."""

    rule = staticmethod(rule)
    role = staticmethod(role)
    binding = staticmethod(binding)

    def __init__(self, api: Any) -> None:
        self.api = api

    @staticmethod
    def path(obj: dict[str, Any]) -> str:
        """The collection of a role or binding."""
        namespace = obj["metadata"].get("namespace")
        return f"{ROLES}/{f'namespaces/{namespace}/' if namespace else ''}{obj['kind'].lower()}s"

    async def make(self, *objects: dict[str, Any], by: Any = None) -> Any:
        """Create objects; the last reply."""
        reply = None
        for obj in objects:
            reply = await (by or self.api).post(self.path(obj), obj)
            assert by is not None or reply.status == 201, reply
        return reply

    async def remove(self, obj: dict[str, Any]) -> None:
        assert (await self.api.delete(f"{self.path(obj)}/{obj['metadata']['name']}")).status == 200

    async def give(self, user: str, *rules: dict[str, Any], namespace: str = "") -> None:
        """Give a user these rules, in a namespace or in the whole cluster."""
        name = f"given-to-{user}"
        kind = "Role" if namespace else "ClusterRole"
        await self.make(
            role(name, *rules, namespace=namespace),
            binding(name, name, f"User:{user}", namespace=namespace, kind=kind),
        )


@pytest.fixture
def rights(api: Any) -> Rights:
    return Rights(api)


class Accounts:
    """Service accounts and their tokens."""

    def __init__(self, api: Any) -> None:
        self._api = api

    async def make(self, name: str, namespace: str = "default") -> Any:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
        reply = await self._api.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", account)
        assert reply.status == 201
        return reply.json

    async def ask(self, name: str, namespace: str = "default", **spec: Any) -> Any:
        """The reply to a token request."""
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        return await self._api.post(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", request)

    async def token(self, name: str, namespace: str = "default", **spec: Any) -> str:
        reply = await self.ask(name, namespace, **spec)
        assert reply.status == 201, reply
        token: str = reply.json["status"]["token"]
        return token

    async def whoami(self, token: str) -> Any:
        """The user that a token stands for; None when it is refused."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        client = type(self._api)(self._api.app, token=token)
        reply = await client.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
        if reply.status == 401:
            return None
        assert reply.status == 201, reply
        return reply.json["status"]["userInfo"]


@pytest.fixture
def accounts(api: Any) -> Accounts:
    return Accounts(api)
