"""Auto-upgrade: profiles that make and start update runs when the release catalogue grows.

``channels`` says what a profile brings its members to, ``generation`` what run does that, ``history`` what its runs
did, ``decision`` whether one is due, and ``controller`` makes it. ``generate`` is what command lines need to make a
run on demand.
"""

from __future__ import annotations

from echelon.upgrade.autoupgrade.generation import Generated, generate

__all__ = ["Generated", "generate"]
