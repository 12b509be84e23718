"""Role-based access control: what the bindings of a user and of its groups allow, and nothing else.

Members of ``system:masters`` may do everything, whatever is bound. Access is only ever granted: no
rule takes away what another gives.
"""

from __future__ import annotations

from collections.abc import Iterable

from echelon.apiserver.access.index import RoleIndex
from echelon.apiserver.access.rules import FULL_AUTHORITY, PolicyRule
from echelon.apiserver.authentication import ALLOWED, DENIED, MASTERS, Attributes, Decision, User


class RoleBasedAccess:
    """Satisfies ``apiserver.Authorizer``."""

    def __init__(self, index: RoleIndex) -> None:
        self._index = index

    def decide(self, user: User, attributes: Attributes) -> Decision:
        if MASTERS in user.groups:
            return ALLOWED
        missing: list[str] = []
        for grant in self._index.grants(user, attributes.namespace):
            rules = grant.role.rules
            if rules is None:
                missing.append(grant.role.missing)
                continue
            for rule in rules:
                if rule.allows(attributes):
                    return grant.decision
        return Decision(False, f"RBAC: {in_one(missing)}") if missing else DENIED

    def rules(self, user: User, namespace: str) -> tuple[list[PolicyRule], str]:
        """All that a user may do in a namespace and in the cluster, and what kept this from being complete."""
        held: list[PolicyRule] = list(FULL_AUTHORITY) if MASTERS in user.groups else []
        missing: list[str] = []
        for grant in self._index.grants(user, namespace):
            if grant.role.rules is None:
                missing.append(grant.role.missing)
            else:
                held += [rule.source for rule in grant.role.rules]
        return held, in_one(missing)


def in_one(faults: Iterable[str]) -> str:
    """Several faults as one, each named once; several stand in brackets."""
    texts = list(dict.fromkeys(faults))
    return texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]" if texts else ""
