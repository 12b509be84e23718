"""Which operation a request asks for: paths without regard to case, names as they were given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar
from urllib.parse import unquote

import msgspec

T = TypeVar("T")


class Route(msgspec.Struct, Generic[T], frozen=True):
    """An operation: ``template`` has names in braces, ``/subscriptions/{subscription}``."""

    method: str
    template: str
    target: T


class Match(msgspec.Struct, Generic[T], frozen=True):
    """The operation found, and the names in its path. Without ``target``, ``allowed`` methods lead somewhere."""

    target: T | None
    names: Mapping[str, str]
    allowed: tuple[str, ...] = ()


class Router(Generic[T]):
    """Finds operations by method and path."""

    def __init__(self, routes: Iterable[Route[T]]) -> None:
        self._routes: dict[int, list[tuple[tuple[str, ...], Route[T]]]] = {}
        self._roots: set[str] = set()
        for route in routes:
            segments = _segments(route.template)
            self._routes.setdefault(len(segments), []).append((segments, route))
            self._roots.add(segments[0].lower())

    def leads_here(self, path: str) -> bool:
        """Whether a path is one of ours, whatever comes of it."""
        first = path.lstrip("/").split("/", 1)[0].lower()
        return first in self._roots

    def find(self, method: str, path: str) -> Match[T] | None:
        """The operation, or the methods that the path has; None for an unknown path."""
        segments = _segments(path)
        found: dict[str, Match[T]] = {}
        for template, route in self._routes.get(len(segments), ()):
            names = _matched(template, segments)
            if names is not None:
                found.setdefault(route.method, Match(route.target, names))
        if not found:
            return None
        return found.get(method) or Match(None, {}, tuple(sorted(found)))


def _segments(path: str) -> tuple[str, ...]:
    return tuple(path.strip("/").split("/"))


def _matched(template: tuple[str, ...], segments: tuple[str, ...]) -> dict[str, str] | None:
    names: dict[str, str] = {}
    for expected, segment in zip(template, segments, strict=True):
        if expected.startswith("{"):
            if not segment:
                return None
            names[expected[1:-1]] = unquote(segment)
        elif expected.lower() != segment.lower():
            return None
    return names
