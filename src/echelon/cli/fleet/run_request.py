"""The options that say what an update run is to do, and the run that they make."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import click
import msgspec

from echelon.api.fleet import (
    ClusterUpgradeTarget,
    ManagedClusterUpdate,
    NodeImageSelection,
    NodeImageSelectionType,
    UpdateRun,
    UpdateRunSpec,
    UpgradeType,
)
from echelon.api.meta import ObjectMeta
from echelon.cli.errors import CannotStart
from echelon.cli.fleet.stages import read_stages
from echelon.cli.fleet.values import KubernetesVersion

UPGRADE_TYPES = ("Full", "NodeImageOnly", "ControlPlaneOnly")

Command = TypeVar("Command", bound=Callable[..., Any])


class RunRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the user wants a run to do."""

    upgrade_type: UpgradeType | None = None
    kubernetes_version: str | None = None
    node_image_selection: NodeImageSelectionType | None = None
    stages: str | None = None
    update_strategy_name: str | None = None

    @property
    def says_nothing(self) -> bool:
        return self == RunRequest()

    def run(self, name: str) -> UpdateRun:
        """The run of that name, to be planned only.

        Raises:
            CannotStart: the options do not go together.
        """
        type_, version = self.upgrade_type, self.kubernetes_version
        if type_ is None:
            raise CannotStart(f"--upgrade-type is wanted: one of {', '.join(UPGRADE_TYPES)}")
        if type_ == "NodeImageOnly" and version is not None:
            raise CannotStart(
                f"--kubernetes-version cannot be set when --upgrade-type is NodeImageOnly, found {version!r}"
            )
        if type_ != "NodeImageOnly" and version is None:
            raise CannotStart(f"--kubernetes-version must be set when --upgrade-type is {type_}")
        if self.stages is not None and self.update_strategy_name is not None:
            raise CannotStart("--stages and --update-strategy-name cannot both be set")
        if self.update_strategy_name is not None and not self.update_strategy_name.strip():
            raise CannotStart("--update-strategy-name must not be blank")
        selection = None
        if type_ != "ControlPlaneOnly":
            selection = NodeImageSelection(type=self.node_image_selection or "Latest")
        elif self.node_image_selection is not None:
            raise CannotStart("--node-image-selection cannot be set when --upgrade-type is ControlPlaneOnly")
        return UpdateRun(
            metadata=ObjectMeta(name=name),
            spec=UpdateRunSpec(
                managed_cluster_update=ManagedClusterUpdate(
                    upgrade=ClusterUpgradeTarget(type=type_, kubernetes_version=version),
                    node_image_selection=selection,
                ),
                strategy=None if self.stages is None else read_stages(self.stages),
                update_strategy_name=self.update_strategy_name,
            ),
        )


def run_options(command: Command) -> Command:
    """Give a command the options of a run, and a ``RunRequest`` as its argument ``request``."""

    @wraps(command)
    def call(*args: Any, **rest: Any) -> Any:
        own = {field: rest.pop(field) for field in RunRequest.__struct_fields__}
        return command(*args, request=RunRequest(**own), **rest)

    for option in reversed(_OPTIONS):
        call = option(call)
    return cast(Command, call)


_OPTIONS = (
    click.option("--upgrade-type", type=click.Choice(UPGRADE_TYPES), help="What of each member is upgraded."),
    click.option(
        "--kubernetes-version",
        type=KubernetesVersion(),
        help="To which version; for Full and ControlPlaneOnly. Without a patch, the newest where the member is.",
    ),
    click.option(
        "--node-image-selection",
        type=click.Choice(("Latest", "Consistent")),
        help="Latest: the newest image where each member is, when its turn comes. Consistent: the newest that all "
        "members can have. Default: Latest.",
    ),
    click.option("--stages", metavar="FILE|JSON", help="The order: a JSON file, or JSON written out."),
    click.option("--update-strategy-name", metavar="NAME", help="The order: an update strategy."),
)
