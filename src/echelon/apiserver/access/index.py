"""Who was given which roles: an index over the stored roles and bindings, by subject.

Kept up with every durable change, so that a question costs a few dictionary look-ups and the rules
of the roles the user has been given. Grants hold the role itself, not its rules: a role that changes,
goes or comes changes what all of its bindings give, at once.

A binding to a role that does not exist gives nothing and is reported to whoever asks for the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec
import structlog

from echelon.apiserver.access.rules import PolicyRule, Rule
from echelon.apiserver.authentication import Decision, User
from echelon.apiserver.objects import Changed, ObjectRecord, Objects

GROUP = "rbac.authorization.k8s.io"
SERVICE_ACCOUNT_PREFIX = "system:serviceaccount:"
_ROLES = {"roles": "Role", "clusterroles": "ClusterRole"}
_BINDINGS = {"rolebindings": "RoleBinding", "clusterrolebindings": "ClusterRoleBinding"}

RoleKey = tuple[str, str]
"""Namespace, empty for cluster roles, and name."""

T = TypeVar("T")
log = structlog.get_logger(__name__)


class RoleRef(msgspec.Struct, frozen=True, rename="camel"):
    kind: str = ""
    name: str = ""
    api_group: str = GROUP

    def key(self, namespace: str) -> RoleKey:
        """Which role is meant by a binding in a namespace."""
        return (namespace if self.kind == "Role" else "", self.name)


class Subject(msgspec.Struct, frozen=True):
    kind: str = ""
    name: str = ""
    namespace: str = ""


class StoredRole(msgspec.Struct):
    """A role as far as access depends on it."""

    rules: tuple[PolicyRule, ...] | None = None


class StoredBinding(msgspec.Struct, rename="camel"):
    """A binding as far as access depends on it."""

    role_ref: RoleRef
    subjects: tuple[Subject, ...] | None = None


decode_role = msgspec.json.Decoder(StoredRole).decode
decode_binding = msgspec.json.Decoder(StoredBinding).decode


class Role:
    """A role that exists or that a binding names. ``rules`` is None while it does not exist."""

    __slots__ = ("bindings", "key", "rules")

    def __init__(self, key: RoleKey) -> None:
        self.key = key
        self.rules: tuple[Rule, ...] | None = None
        self.bindings = 0

    @property
    def missing(self) -> str:
        """What is said of a role that does not exist."""
        kind = "role" if self.key[0] else "clusterrole"
        return f'{kind}.{GROUP} "{self.key[1]}" not found'


class Grant:
    """A role given to one subject by one binding; ``decision`` is the answer to what it allows."""

    __slots__ = ("decision", "role")

    def __init__(self, role: Role, decision: Decision) -> None:
        self.role = role
        self.decision = decision


Table = dict[str, list[Grant]]
"""Grants by namespace; those of the whole cluster under the empty name."""


class RoleIndex:
    """Answers which roles a user has."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._roles: dict[RoleKey, Role] = {}
        self._users: dict[str, Table] = {}
        self._groups: dict[str, Table] = {}
        self._bindings: dict[tuple[str, str], list[tuple[dict[str, Table], str, Grant]]] = {}

    def load(self) -> None:
        """Take over what is stored."""
        for plural in (*_ROLES, *_BINDINGS):
            for record in self._objects.keyspace.bucket(f"{GROUP}/{plural}").list():
                self._take(plural, record.key.namespace, record.key.name, record)

    def observe(self, changed: Changed) -> None:
        """Look at a role or binding again that has changed."""
        definition = changed.definition
        if definition.group == GROUP and (definition.plural in _ROLES or definition.plural in _BINDINGS):
            record = self._objects.bucket(definition).get(changed.namespace, changed.name)
            self._take(definition.plural, changed.namespace, changed.name, record)

    def grants(self, user: User, namespace: str) -> Iterator[Grant]:
        """What a user was given in the whole cluster, then what in a namespace, unless that is empty."""
        tables = [table for group in user.groups if (table := self._groups.get(group)) is not None]
        if (own := self._users.get(user.name)) is not None:
            tables.append(own)
        for scope in ("", namespace) if namespace else ("",):
            for table in tables:
                if (found := table.get(scope)) is not None:
                    yield from found

    def rules(self, key: RoleKey) -> tuple[Rule, ...] | None:
        """The rules of a role; None when it does not exist."""
        role = self._roles.get(key)
        return None if role is None else role.rules

    def _take(self, plural: str, namespace: str, name: str, record: ObjectRecord | None) -> None:
        if plural in _ROLES:
            self._set_role((namespace, name), record)
        else:
            self._set_binding(namespace, name, record)

    def _set_role(self, key: RoleKey, record: ObjectRecord | None) -> None:
        role = self._role(key)
        role.rules = None
        if record is not None:
            rules = _decoded(decode_role, record)
            role.rules = () if rules is None else tuple(Rule(rule) for rule in rules.rules or ())
        self._forget_unused(role)

    def _set_binding(self, namespace: str, name: str, record: ObjectRecord | None) -> None:
        for tables, holder, grant in self._bindings.pop((namespace, name), ()):
            found = tables[holder][namespace]
            found.remove(grant)
            if not found:
                del tables[holder][namespace]
                if not tables[holder]:
                    del tables[holder]
            grant.role.bindings -= 1
            self._forget_unused(grant.role)
        binding = None if record is None else _decoded(decode_binding, record)
        if binding is None:
            return
        role = self._role(binding.role_ref.key(namespace))
        entries = self._bindings[namespace, name] = []
        for subject in binding.subjects or ():
            tables, key = self._place(subject, namespace)
            reason = f"{_binding_named(namespace, name)} of {_role_named(role)} to {_subject_named(subject, namespace)}"
            grant = Grant(role, Decision(True, f"RBAC: allowed by {reason}"))
            tables.setdefault(key, {}).setdefault(namespace, []).append(grant)
            entries.append((tables, key, grant))
            role.bindings += 1
        self._forget_unused(role)

    def _place(self, subject: Subject, namespace: str) -> tuple[dict[str, Table], str]:
        """Where the grants of a subject are kept."""
        if subject.kind == "Group":
            return self._groups, subject.name
        if subject.kind == "ServiceAccount":
            return self._users, f"{SERVICE_ACCOUNT_PREFIX}{subject.namespace or namespace}:{subject.name}"
        return self._users, subject.name

    def _role(self, key: RoleKey) -> Role:
        role = self._roles.get(key)
        if role is None:
            role = self._roles[key] = Role(key)
        return role

    def _forget_unused(self, role: Role) -> None:
        if role.rules is None and not role.bindings and self._roles.get(role.key) is role:
            del self._roles[role.key]


def _decoded(decode: Callable[[bytes], T], record: ObjectRecord) -> T | None:
    """What a stored object says; None, and so nothing is granted, when it cannot be understood."""
    try:
        return decode(record.value)
    except msgspec.ValidationError:
        log.warning("a stored role or binding cannot be understood", key=str(record.key), exc_info=True)
        return None


def _binding_named(namespace: str, name: str) -> str:
    return f'RoleBinding "{name}/{namespace}"' if namespace else f'ClusterRoleBinding "{name}"'


def _role_named(role: Role) -> str:
    return f'{"Role" if role.key[0] else "ClusterRole"} "{role.key[1]}"'


def _subject_named(subject: Subject, namespace: str) -> str:
    if subject.kind == "ServiceAccount":
        return f'ServiceAccount "{subject.name}/{subject.namespace or namespace}"'
    return f'{subject.kind} "{subject.name}"'
