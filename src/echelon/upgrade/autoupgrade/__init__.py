"""Auto-upgrade: profiles that make and start update runs when the release catalogue grows.

``channels`` says what a profile brings its members to, ``generation`` what run does that.
"""

from __future__ import annotations

from echelon.upgrade.autoupgrade.generation import Generated, generate

__all__ = ["Generated", "generate"]
