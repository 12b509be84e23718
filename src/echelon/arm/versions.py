"""Api-versions: which there are, and what each of them knew.

An answer holds only what the version asked for knew, so that an old client sees what it saw in its time. What
came when: reference of the service, section 1.2. Versions of the future are refused; those of the neighbours
(resource groups, tenants, operations) are not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from echelon.arm.errors import ArmError

VERSIONS: Final = (
    "2022-09-02-preview",
    "2023-03-15-preview",
    "2023-06-15-preview",
    "2023-08-15-preview",
    "2023-10-15",
    "2024-02-02-preview",
    "2024-04-01",
    "2024-05-02-preview",
    "2025-03-01",
    "2025-04-01-preview",
    "2025-08-01-preview",
    "2026-02-01-preview",
    "2026-03-02-preview",
    "2026-05-01-preview",
    "2026-06-01",
    "2026-06-02-preview",
)
"""From old to new."""

_RESOURCES: Mapping[str, str] = {
    "updateRuns": "2023-03-15-preview",
    "updateStrategies": "2023-08-15-preview",
    "autoUpgradeProfiles": "2024-05-02-preview",
    "gates": "2025-04-01-preview",
}
_ACTIONS: Mapping[str, str] = {"skip": "2024-02-02-preview", "generateUpdateRun": "2025-03-01"}

_PREVIEW: Final = ("2026-05-01-preview", "2026-06-02-preview")
_FIELDS: Mapping[str, str] = {
    "group": "2023-03-15-preview",
    "nodeImageSelection": "2023-06-15-preview",
    "message": "2023-06-15-preview",
    "updateStrategyId": "2023-08-15-preview",
    "customNodeImageVersions": "2024-05-02-preview",
    "autoUpgradeProfileStatus": "2025-03-01",
    "autoUpgradeProfileId": "2025-03-01",
    "beforeGates": "2025-04-01-preview",
    "afterGates": "2025-04-01-preview",
    "targetKubernetesVersion": "2025-04-01-preview",
    "longTermSupport": "2025-04-01-preview",
    "labels": "2025-04-01-preview",
    "maxConcurrency": "2026-02-01-preview",
}
_PREVIEW_FIELDS: Final = frozenset(
    (
        "maxAllowedFailures",
        "failureCount",
        "memberSelector",
        "scheduledStartConfiguration",
        "scheduledStartProperties",
        "lastTriggerMessage",
    )
)
_OPAQUE: Final = frozenset(("tags", "labels", "userAssignedIdentities"))  # what users name themselves


def checked(version: str | None, type_: str, action: str = "") -> str:
    """The api-version of a request for resources of a type, in its usual spelling.

    Raises:
        ArmError: there is none, it is unknown, or it had no such resources.
    """
    if not version:
        message = "The api-version query parameter (?api-version=) is required for all requests."
        raise ArmError(400, "MissingApiVersionParameter", message)
    found = version.lower()
    supported = [known for known in VERSIONS if _has(known, type_, action)]
    if found in supported:
        return found
    what = f"fleets/{type_}" if type_ else "fleets"
    message = f"No registered resource provider found for API version {version!r} for type {what!r}"
    message += f" and action {action!r}" if action else ""
    raise ArmError(
        400, "NoRegisteredProviderFound", f"{message}. The supported api-versions are {', '.join(supported)}."
    )


def shaped(body: Any, version: str) -> Any:
    """A body without the properties that came after a version."""
    if isinstance(body, list):
        return [shaped(item, version) for item in body]
    if not isinstance(body, Mapping):
        return body
    return {
        key: value if key in _OPAQUE else shaped(value, version) for key, value in body.items() if _knows(version, key)
    }


def _has(version: str, type_: str, action: str) -> bool:
    return version >= _RESOURCES.get(type_, "") and version >= _ACTIONS.get(action, "")


def _knows(version: str, field: str) -> bool:
    if field in _PREVIEW_FIELDS:
        return version in _PREVIEW
    return version >= _FIELDS.get(field, "")
