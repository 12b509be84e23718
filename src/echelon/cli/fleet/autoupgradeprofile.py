"""``echelon autoupgradeprofile``: runs that are made whenever there is something new."""

from __future__ import annotations

from collections.abc import Mapping

import click

from echelon.cli.fleet.nouns import PROFILE
from echelon.cli.fleet.verbs import delete_command, list_command, show_command, wait_command
from echelon.cli.lazy import LazyGroup

_HERE = "echelon.cli.fleet"
COMMANDS: Mapping[str, tuple[str, str]] = {
    "create": (f"{_HERE}.profile_create:create", "Create a profile, or change it: also to switch it off and on."),
    "list": (f"{_HERE}.autoupgradeprofile:list_profiles", "List the profiles."),
    "show": (f"{_HERE}.autoupgradeprofile:show_profile", "Show a profile and what it last did."),
    "generate-update-run": (
        f"{_HERE}.profile_generate:generate_update_run",
        "Make the run for what is published now; it is not started.",
    ),
    "wait": (f"{_HERE}.autoupgradeprofile:wait_for_profile", "Wait until a profile is as you want it."),
    "delete": (f"{_HERE}.autoupgradeprofile:delete_profile", "Delete a profile; the runs it made stay."),
}

list_profiles = list_command(PROFILE)
show_profile = show_command(PROFILE)
wait_for_profile = wait_command(PROFILE)
delete_profile = delete_command(PROFILE, "; the runs it made stay")


@click.group(cls=LazyGroup, table=COMMANDS)
def autoupgradeprofile() -> None:
    """Have update runs made and started whenever there is something new."""
