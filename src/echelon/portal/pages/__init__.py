"""The pages of the portal, each in a module of its own, and the navigation that leads to them."""

from __future__ import annotations

from collections.abc import Sequence

from echelon.portal.page import Action, Page
from echelon.portal.pages import (
    activity,
    approvals,
    members,
    overview,
    placements,
    profiles,
    rollouts,
    run_form,
    runs,
    strategies,
)

_ENTRIES: Sequence[tuple[str, str, str]] = (
    ("Overview", "/", "overview"),
    ("Update runs", "/runs", "runs"),
    ("Strategies", "/strategies", "strategies"),
    ("Auto-upgrade", "/profiles", "profiles"),
    ("Staged rollouts", "/rollouts", "rollouts"),
    ("Placements", "/placements", "placements"),
    ("Approvals", "/approvals", "approvals"),
    ("Members", "/members", "members"),
    ("Activity", "/activity", "activity"),
)
_MODULES = (overview, run_form, runs, strategies, profiles, rollouts, placements, approvals, members, activity)

PAGES: Sequence[Page] = tuple(page for module in _MODULES for page in module.PAGES)
ACTIONS: Sequence[Action] = tuple(action for module in _MODULES for action in getattr(module, "ACTIONS", ()))

NAVIGATION: Sequence[tuple[str, str, str]] = tuple(
    entry for entry in _ENTRIES if any(page.path == entry[1] for page in PAGES)
)
"""What an entry is called, where it leads and the icon that it has; the name is a page's ``section``."""
