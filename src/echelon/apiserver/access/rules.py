"""Policy rules: what one allows, and whether a set of rules covers another.

A rule names verbs and either resources (of groups, perhaps of certain names) or paths. ``*`` stands
for everything in each of the lists; a path may end with it. ``pods/log`` is the subresource of one
resource, ``*/log`` of every resource; ``pods`` alone covers no subresource.

``PolicyRule`` is the rule as it is written, ``Rule`` the same made ready for many questions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from echelon.apiserver.authentication import Attributes

EVERY = "*"


class PolicyRule(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """A rule as it stands in a role."""

    verbs: tuple[str, ...] = ()
    api_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()
    non_resource_urls: tuple[str, ...] = msgspec.field(default=(), name="nonResourceURLs")

    def __str__(self) -> str:
        """The rule as messages to users show it."""
        lists = (
            ("APIGroups", self.api_groups),
            ("Resources", self.resources),
            ("NonResourceURLs", self.non_resource_urls),
            ("ResourceNames", self.resource_names),
            ("Verbs", self.verbs),
        )
        return "{" + ", ".join(f"{name}:{_quoted(values)}" for name, values in lists if values) + "}"


FULL_AUTHORITY = (
    PolicyRule(verbs=(EVERY,), api_groups=(EVERY,), resources=(EVERY,)),
    PolicyRule(verbs=(EVERY,), non_resource_urls=(EVERY,)),
)


class Rule:
    """A policy rule that answers quickly whether it allows something."""

    __slots__ = ("_groups", "_names", "_paths", "_resources", "_verbs", "source")

    def __init__(self, source: PolicyRule) -> None:
        self.source = source
        self._verbs = _choices(source.verbs)
        self._groups = _choices(source.api_groups)
        self._resources = _choices(source.resources)
        self._names = frozenset(source.resource_names)
        self._paths = source.non_resource_urls

    def allows(self, attributes: Attributes) -> bool:
        """Whether the rule alone allows what a request wants."""
        if self._verbs is not None and attributes.verb not in self._verbs:
            return False
        if attributes.path:
            return any(path_covers(path, attributes.path) for path in self._paths)
        if self._groups is not None and attributes.group not in self._groups:
            return False
        if self._resources is not None and not self._has_resource(self._resources, attributes):
            return False
        return not self._names or attributes.name in self._names

    @staticmethod
    def _has_resource(resources: frozenset[str], attributes: Attributes) -> bool:
        subresource = attributes.subresource
        if not subresource:
            return attributes.resource in resources
        return f"{attributes.resource}/{subresource}" in resources or f"*/{subresource}" in resources


def _choices(values: Sequence[str]) -> frozenset[str] | None:
    """The values to choose from; None for any value whatever."""
    return None if EVERY in values else frozenset(values)


def path_covers(pattern: str, path: str) -> bool:
    """Whether a non-resource URL, which may end with ``*``, covers a path or another pattern."""
    return pattern == path or (pattern.endswith(EVERY) and path.startswith(pattern.rstrip(EVERY)))


def uncovered(held: Sequence[PolicyRule], wanted: Iterable[PolicyRule]) -> list[PolicyRule]:
    """What of the wanted rules is not allowed by the held ones, in rules as small as possible.

    Each single permission has to be covered by one held rule as a whole.
    """
    return [part for rule in wanted for part in _parts(rule) if not any(_covers(own, part) for own in held)]


def merged(rules: Iterable[PolicyRule]) -> list[PolicyRule]:
    """The rules with those that differ in nothing but their verbs made one."""
    verbs: dict[PolicyRule, dict[str, None]] = {}
    for rule in rules:
        verbs.setdefault(msgspec.structs.replace(rule, verbs=()), {}).update(dict.fromkeys(rule.verbs))
    return [msgspec.structs.replace(rule, verbs=tuple(found)) for rule, found in verbs.items()]


def _parts(rule: PolicyRule) -> Iterator[PolicyRule]:
    """The single permissions that a rule gives."""
    for verb in rule.verbs:
        for group in rule.api_groups:
            for resource in rule.resources:
                part = PolicyRule((verb,), (group,), (resource,))
                if not rule.resource_names:
                    yield part
                for name in rule.resource_names:
                    yield msgspec.structs.replace(part, resource_names=(name,))
        for path in rule.non_resource_urls:
            yield PolicyRule((verb,), non_resource_urls=(path,))


def _covers(held: PolicyRule, part: PolicyRule) -> bool:
    if not _has_all(held.verbs, part.verbs):
        return False
    if part.non_resource_urls:
        return any(path_covers(path, part.non_resource_urls[0]) for path in held.non_resource_urls)
    return (
        _has_all(held.api_groups, part.api_groups)
        and any(_resource_covers(resource, part.resources[0]) for resource in held.resources)
        and (
            not held.resource_names
            or (bool(part.resource_names) and _has_all(held.resource_names, part.resource_names))
        )
    )


def _has_all(held: Sequence[str], wanted: Sequence[str]) -> bool:
    return EVERY in held or all(value in held for value in wanted)


def _resource_covers(held: str, wanted: str) -> bool:
    if held in (EVERY, wanted):
        return True
    _, slash, subresource = wanted.partition("/")
    return bool(slash) and held == f"*/{subresource}"


def _quoted(values: Sequence[str]) -> str:
    return "[" + " ".join(msgspec.json.encode(value).decode() for value in values) + "]"
