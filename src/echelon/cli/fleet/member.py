"""``echelon member``: the clusters of the fleet."""

from __future__ import annotations

from collections.abc import Mapping

import click

from echelon.cli.fleet.nouns import MEMBER
from echelon.cli.fleet.verbs import delete_command, list_command, show_command, wait_command
from echelon.cli.lazy import LazyGroup

_HERE = "echelon.cli.fleet"
COMMANDS: Mapping[str, tuple[str, str]] = {
    "list": (f"{_HERE}.member:list_members", "List the members: group, region, version, state."),
    "show": (f"{_HERE}.member:show_member", "Show a member."),
    "create": (f"{_HERE}.member_write:create", "Let a cluster join the fleet."),
    "update": (f"{_HERE}.member_write:update", "Change the update group or the labels of a member."),
    "wait": (f"{_HERE}.member:wait_for_member", "Wait until a member is as you want it."),
    "delete": (f"{_HERE}.member:delete_member", "Let a member leave the fleet; what was placed on it stays."),
}

list_members = list_command(MEMBER)
show_member = show_command(MEMBER)
wait_for_member = wait_command(MEMBER)
delete_member = delete_command(MEMBER, " from the fleet; what was placed on it stays there")


@click.group(cls=LazyGroup, table=COMMANDS)
def member() -> None:
    """See and change the members of the fleet."""
