"""Nobody grants what they do not have: the check on writes of roles and bindings.

Who writes a role must hold every right in it, or be allowed to ``escalate`` it; who writes a binding
must hold every right of its role, or be allowed to ``bind`` it. Rights held in the namespace of the
object count, for cluster-wide objects only those held in the whole cluster. Aggregation gathers rules
that nobody has seen yet, so it takes full authority. Members of ``system:masters`` and the server
itself are not asked, nor is a write that only changes owner references and finalizers: garbage
collection must be able to end what it cannot judge.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from echelon.apiserver.access.authorizer import RoleBasedAccess
from echelon.apiserver.access.index import GROUP, RoleIndex, RoleRef
from echelon.apiserver.access.rules import FULL_AUTHORITY, PolicyRule, merged, uncovered
from echelon.apiserver.authentication import MASTERS, Attributes, User
from echelon.apiserver.definitions import Object
from echelon.apiserver.errors import forbidden, not_found
from echelon.apiserver.preparation import Write

_ROLES = frozenset({"roles", "clusterroles"})
_BINDINGS = frozenset({"rolebindings", "clusterrolebindings"})
_OF_GARBAGE_COLLECTION = ("ownerReferences", "finalizers", "managedFields", "resourceVersion", "generation")
_AGGREGATION = "must have cluster-admin privileges to use an aggregationRule"


class EscalationCheck:
    """Looks at every role and binding before it is stored."""

    def __init__(self, access: RoleBasedAccess, index: RoleIndex) -> None:
        self._access = access
        self._index = index

    def __call__(self, new: Object, old: Object | None, write: Write) -> None:
        """Let a write pass.

        Raises:
            StatusError: 403 when it grants more than the writer has, 404 when a binding names no role.
        """
        definition, user = write.definition, write.user
        if definition.group != GROUP or user is None or MASTERS in user.groups:
            return
        if old is not None and _substance(new) == _substance(old):
            return
        if definition.plural in _ROLES:
            self._check_role(new, old, write, user)
        elif definition.plural in _BINDINGS:
            self._check_binding(new, write, user)

    def _check_role(self, role: Object, old: Object | None, write: Write, user: User) -> None:
        plural, name = write.definition.plural, role["metadata"]["name"]
        if self._may(user, "escalate", plural, write.namespace, name):
            return
        if role.get("aggregationRule") or (old or {}).get("aggregationRule"):
            held, _ = self._access.rules(user, "")
            if uncovered(held, FULL_AUTHORITY):
                raise forbidden(GROUP, plural, name, _AGGREGATION)
        rules = msgspec.convert(role.get("rules") or (), tuple[PolicyRule, ...])
        self._check_held(rules, user, write, name)

    def _check_binding(self, binding: Object, write: Write, user: User) -> None:
        reference = msgspec.convert(binding["roleRef"], RoleRef)
        namespace, role = reference.key(write.namespace)
        plural = "roles" if namespace else "clusterroles"
        if self._may(user, "bind", plural, write.namespace, role):
            return
        rules = self._index.rules((namespace, role))
        if rules is None:
            raise not_found(GROUP, plural, role)
        self._check_held([rule.source for rule in rules], user, write, binding["metadata"]["name"])

    def _may(self, user: User, verb: str, plural: str, namespace: str, name: str) -> bool:
        attributes = Attributes(verb, GROUP, "v1", plural, namespace=namespace, name=name)
        return self._access.decide(user, attributes).allowed

    def _check_held(self, rules: Iterable[PolicyRule], user: User, write: Write, name: str) -> None:
        held, fault = self._access.rules(user, write.namespace)
        missing = uncovered(held, rules)
        if not missing:
            return
        groups = " ".join(f'"{group}"' for group in user.groups)
        listed = "\n".join(sorted({str(rule) for rule in merged(missing)}))
        why = f'user "{user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions not currently held:'
        why += f"\n{listed}"
        if fault:
            why += f"; resolution errors: [{fault.strip('[]')}]"
        raise forbidden(GROUP, write.definition.plural, name, why)


def _substance(obj: Object) -> Object:
    """An object less what garbage collection and the server change."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _OF_GARBAGE_COLLECTION}
    return {**obj, "metadata": metadata}
