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
    "join": ("echelon.cli.joining.join_command:join", "Let a cluster join: agent, rights and all."),
    "leave": ("echelon.cli.joining.leave_command:leave", "Let a cluster leave; keep or delete what was placed."),
    "create": (f"{_HERE}.member_write:create", "Declare a member, without its agent."),
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
