"""Kubernetes versions and node image versions: reading, ordering, distance.

A Kubernetes version is ``major.minor.patch`` with what vendors add: ``1.30.4-gke.1348000``,
``v1.30.4+k3s1``. Without a patch (``1.31``) it is an *alias*, which stands for the newest patch of its
minor version. Semantic versioning would sort everything after a hyphen before the plain version; that is
right for ``-rc.1`` and wrong for ``-gke.1000``, which is a later build of 1.30.4. So a suffix counts as a
pre-release only when it begins with alpha, beta or rc, and as a build otherwise.

A node image is named by family and version, ``AKSUbuntu-2204gen2containerd-202410.15.0``; versions are
compared within a family only.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Self

from msgspec import Struct

_VERSION = re.compile(
    r"[vV]?(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})(?:\.(0|[1-9]\d{0,8}))?(?:-([0-9A-Za-z.-]+))?(?:\+([0-9A-Za-z.-]+))?",
    re.ASCII,
)
_IMAGE = re.compile(r"(?P<family>.*[^-])-(?P<version>\d[0-9A-Za-z.]*)", re.ASCII)
_PARTS = re.compile(r"\d+|[A-Za-z]+", re.ASCII)
_PRERELEASE = re.compile(r"(alpha|beta|rc)(?![A-Za-z])")
_CACHED = 4096

Part = tuple[int, int, str]
"""A run of digits or of letters; digits sort before letters, and by value."""


class NotAVersion(ValueError):
    """The text names no version."""


class _Ordered(Struct, frozen=True, eq=False):
    """Compares by a key. (A struct has all six comparisons, so ``functools.total_ordering`` would add none.)"""

    def _key(self) -> tuple[Any, ...]:
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if type(self) is type(other) else NotImplemented

    def __ne__(self, other: object) -> bool:
        return self._key() != other._key() if type(self) is type(other) else NotImplemented

    def __lt__(self, other: Self) -> bool:
        return self._key() < other._key() if type(self) is type(other) else NotImplemented

    def __le__(self, other: Self) -> bool:
        return self._key() <= other._key() if type(self) is type(other) else NotImplemented

    def __gt__(self, other: Self) -> bool:
        return self._key() > other._key() if type(self) is type(other) else NotImplemented

    def __ge__(self, other: Self) -> bool:
        return self._key() >= other._key() if type(self) is type(other) else NotImplemented


class KubeVersion(_Ordered, frozen=True, eq=False):
    """A Kubernetes version. ``patch`` is None for an alias, which sorts before all versions that it stands for."""

    major: int
    minor: int
    patch: int | None = None
    suffix: str = ""
    build: str = ""

    @classmethod
    def parse(cls, text: str) -> KubeVersion:
        """Read ``1.31``, ``1.30.4``, ``v1.30.4-gke.1348000`` or ``1.30.4+k3s1``.

        Raises:
            NotAVersion: the text is none of these.
        """
        return _parse_version(text)

    @property
    def is_alias(self) -> bool:
        """Whether this stands for the newest patch of its minor version."""
        return self.patch is None

    @property
    def is_prerelease(self) -> bool:
        return _PRERELEASE.match(self.suffix) is not None

    @property
    def minor_version(self) -> KubeVersion:
        """The alias of this version."""
        return KubeVersion(self.major, self.minor)

    def covers(self, other: KubeVersion) -> bool:
        """Whether ``other`` is this version, or one that this alias stands for."""
        if self.is_alias:
            return (self.major, self.minor) == (other.major, other.minor)
        return self == other

    def reached_by(self, other: KubeVersion) -> bool:
        """Whether a cluster at ``other`` has nothing to gain from an upgrade to this version."""
        if self.is_alias and self.covers(other):
            return False
        return other >= self

    def _key(self) -> tuple[int, int, int, int, tuple[Part, ...], tuple[Part, ...], str, str]:
        stage = 1 if not self.suffix else 0 if self.is_prerelease else 2
        patch = -1 if self.patch is None else self.patch
        parts, build = _parts(self.suffix), _parts(self.build)
        return self.major, self.minor, patch, stage, parts, build, self.suffix, self.build

    def __hash__(self) -> int:
        return hash((self.major, self.minor, self.patch, self.suffix, self.build))

    def __str__(self) -> str:
        patch = "" if self.patch is None else f".{self.patch}"
        suffix = f"-{self.suffix}" if self.suffix else ""
        build = f"+{self.build}" if self.build else ""
        return f"{self.major}.{self.minor}{patch}{suffix}{build}"


@lru_cache(_CACHED)
def _parse_version(text: str) -> KubeVersion:
    found = _VERSION.fullmatch(text)
    if found is None:
        raise NotAVersion(
            f"{text!r} is not a Kubernetes version; want one such as 1.31.1, or 1.31 for its newest patch"
        )
    major, minor, patch, suffix, build = found.groups()
    return KubeVersion(int(major), int(minor), None if patch is None else int(patch), suffix or "", build or "")


@lru_cache(_CACHED)
def _parts(text: str) -> tuple[Part, ...]:
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in _PARTS.findall(text))


def minor_distance(current: KubeVersion, target: KubeVersion) -> int:
    """By how many minor versions ``target`` is ahead of ``current``; another major version is far away."""
    return (target.major - current.major) * 1000 + target.minor - current.minor


class ImageVersion(_Ordered, frozen=True, eq=False):
    """A node image: what family it is of, and which version within that."""

    family: str
    version: str

    @classmethod
    def parse(cls, text: str) -> ImageVersion:
        """Read ``AKSUbuntu-2204gen2containerd-202410.15.0``: what follows the last hyphen is the version.

        Raises:
            NotAVersion: the text has no such form.
        """
        found = _IMAGE.fullmatch(text)
        if found is None:
            example = "AKSUbuntu-2204gen2containerd-202410.15.0"
            raise NotAVersion(f"{text!r} is not a node image; want family and version, such as {example}")
        return cls(found["family"], found["version"])

    def _key(self) -> tuple[str, tuple[Part, ...], str]:
        return self.family, _parts(self.version), self.version

    def __hash__(self) -> int:
        return hash((self.family, self.version))

    def __str__(self) -> str:
        return f"{self.family}-{self.version}"
