"""Columns of roles, bindings and certificate requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from echelon.apiserver.builtin.columns.base import NAME, NONE, age_column, column, created_at, field, find
from echelon.apiserver.clock import Clock
from echelon.apiserver.definitions import Column, Object
from echelon.apiserver.table import human_duration


def access_columns(clock: Clock) -> dict[str, Sequence[Column]]:
    age = age_column(clock)
    binding = (
        NAME,
        column("Role", lambda obj: f"{find(obj, 'roleRef.kind', '')}/{find(obj, 'roleRef.name', '')}"),
        age,
        column("Users", _subjects("User"), wide=True),
        column("Groups", _subjects("Group"), wide=True),
        column("ServiceAccounts", _subjects("ServiceAccount"), wide=True),
    )
    return {
        "rbac.Role": created_at(),
        "rbac.ClusterRole": created_at(),
        "rbac.RoleBinding": binding,
        "rbac.ClusterRoleBinding": binding,
        "certificates.CertificateSigningRequest": (
            NAME,
            age,
            field("SignerName", "spec.signerName"),
            field("Requestor", "spec.username"),
            column("RequestedDuration", _requested_duration),
            column("Condition", _condition),
        ),
    }


def _subjects(kind: str) -> Callable[[Object], str]:
    def names(binding: Object) -> str:
        found = [subject for subject in binding.get("subjects", ()) if subject.get("kind") == kind]
        if kind == "ServiceAccount":
            return ", ".join(f"{subject.get('namespace', '')}/{subject.get('name', '')}" for subject in found)
        return ", ".join(subject.get("name", "") for subject in found)

    return names


def _requested_duration(request: Object) -> str:
    seconds = find(request, "spec.expirationSeconds")
    return NONE if seconds is None else human_duration(seconds)


def _condition(request: Object) -> str:
    kinds = {entry.get("type") for entry in find(request, "status.conditions", ())}
    words = [word for word in ("Approved", "Denied") if word in kinds][:1] or ["Pending"]
    words += ["Failed"] if "Failed" in kinds else []
    words += ["Issued"] if find(request, "status.certificate") else []
    return ",".join(words)
