"""What older servers cannot be given.

The kinds are made for the newest Kubernetes. A server of 1.28 knows no quantities in the rules of custom resources
and would refuse the definitions: it gets them without those rules, and the scheduler says of a value that is no
quantity what the rule would have said. Before 1.31 servers drop fields to select by, which nothing here counts on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

Version = tuple[int, int]

OLDEST: Final[Version] = (1, 28)
QUANTITIES: Final[Version] = (1, 29)
"""Since when rules may use quantities."""

_RULES: Final = "x-kubernetes-validations"
_USES_QUANTITIES = re.compile(r"\b(?:isQ|q)uantity\(")


def version_of(told: str) -> Version | None:
    """The version of a server by what it calls itself, such as ``v1.33.1-eks-1``; None when that says nothing."""
    found = re.match(r"v?(\d+)\.(\d+)", told)
    return None if found is None else (int(found[1]), int(found[2]))


def suited(definition: Mapping[str, Any], version: Version) -> dict[str, Any]:
    """A CustomResourceDefinition that a server of a version takes."""
    if version >= QUANTITIES:
        return dict(definition)
    return {key: _without_quantities(value) for key, value in definition.items()}


def _without_quantities(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_quantities(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    kept = {key: _without_quantities(item) for key, item in value.items() if key != _RULES}
    rules = [rule for rule in value.get(_RULES) or () if not _USES_QUANTITIES.search(rule["rule"])]
    return kept | {_RULES: rules} if rules else kept
