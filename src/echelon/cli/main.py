"""The command line: ``echelon`` and, as a kubectl plugin, ``kubectl echelon``.

Every command lives in a module of its own that is imported when it is called, so that a command
that reads answers at once. Exit codes: 0 done, 1 the operation failed, 2 the command could not be
taken as it was given (bad options, a port in use, data of a newer version), 3 a wait whose time is up, 130 interrupted.
"""

from __future__ import annotations

from collections.abc import Mapping

import click

from echelon import __version__
from echelon.cli.lazy import LazyGroup

COMMANDS: Mapping[str, tuple[str, str]] = {
    "up": ("echelon.cli.up:up", "Start a hub with members on this machine."),
    "demo": ("echelon.cli.demo:demo", "Play a staged rollout and an update run on a hub of their own."),
    "member": ("echelon.cli.fleet.member:member", "See and change the members of the fleet."),
    "updaterun": ("echelon.cli.fleet.updaterun:updaterun", "Upgrade the clusters of the fleet, stage by stage."),
    "updatestrategy": (
        "echelon.cli.fleet.updatestrategy:updatestrategy",
        "Keep orders of stages and groups for update runs.",
    ),
    "gate": ("echelon.cli.fleet.gate:gate", "See and approve the gates at which update runs wait."),
    "autoupgradeprofile": (
        "echelon.cli.fleet.autoupgradeprofile:autoupgradeprofile",
        "Have update runs made and started when there is something new.",
    ),
    "agent": ("echelon.cli.agent:agent", "Run the agent of a member."),
    "hub": ("echelon.cli.hub:hub", "Make a cluster a hub, run one, and look after it."),
    "rollout": ("echelon.cli.rollout:rollout", "Follow staged rollouts and see what they wait for."),
    "placement": ("echelon.cli.placement:placement", "See where placements stand."),
    "cluster": ("echelon.cli.cluster:cluster", "Empty members for maintenance, and take them back."),
    "explain": ("echelon.cli.explain:explain", "Say what an object waits for and what would unblock it."),
}


@click.group(cls=LazyGroup, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="echelon")
def main() -> None:
    """Roll workloads and Kubernetes upgrades out to many clusters, stage by stage."""
