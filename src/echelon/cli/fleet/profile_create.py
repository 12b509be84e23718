"""``echelon autoupgradeprofile create``."""

from __future__ import annotations

import asyncio
from typing import Literal

import click
from msgspec.structs import replace

from echelon.api.fleet import UpdateStrategy
from echelon.api.meta import ObjectMeta
from echelon.api.upgrade import AutoUpgradeImageSelection, AutoUpgradeProfile, AutoUpgradeProfileSpec, UpgradeChannel
from echelon.cli.errors import CannotStart
from echelon.cli.fleet.changing import create_or_change
from echelon.cli.fleet.nouns import PROFILE, STRATEGY, Plain
from echelon.cli.fleet.reading import not_there, read, table
from echelon.cli.fleet.scope import Scope, scope_options
from echelon.cli.fleet.values import MinorVersion, name_option
from echelon.cli.output import Output, output_options
from echelon.kube.errors import NotFound

_CHANNELS = ("Stable", "Rapid", "NodeImage", "TargetKubernetesVersion")


@click.command()
@name_option()
@click.option(
    "-c",
    "--channel",
    required=True,
    type=click.Choice(_CHANNELS),
    help="Rapid: the newest minor version. Stable: the one before. TargetKubernetesVersion: patches of one minor "
    "version. NodeImage: node images only.",
)
@click.option(
    "--update-strategy-id",
    "--update-strategy-name",
    "strategy",
    metavar="NAME",
    help="The order of the runs: the name of an update strategy, or an id that ends in it. Default: one by one.",
)
@click.option(
    "--node-image-selection", type=click.Choice(("Latest", "Consistent")), help="Which node images the runs bring."
)
@click.option(
    "--target-kubernetes-version", "--tkv", "target", type=MinorVersion(), help="The minor version to stay on."
)
@click.option("--long-term-support", "--lts", "lts", is_flag=True, help="Also patches with long-term support only.")
@click.option("--disabled", is_flag=True, help="Make no runs for now.")
@click.option("--no-wait", is_flag=True, help="Taken for the sake of scripts: there is nothing to wait for.")
@output_options
@scope_options
def create(
    scope: Scope,
    name: str,
    channel: UpgradeChannel,
    strategy: str | None,
    node_image_selection: Literal["Latest", "Consistent"] | None,
    target: str | None,
    lts: bool,
    disabled: bool,
    no_wait: bool,
    output: Output,
) -> None:
    """Create the auto-upgrade profile NAME, or make the one of that name as given here."""
    _check(channel, node_image_selection, target, lts)
    spec = AutoUpgradeProfileSpec(
        channel=channel,
        update_strategy_name=None if strategy is None else strategy.rstrip("/").rpartition("/")[2],
        node_image_selection=None
        if node_image_selection is None
        else AutoUpgradeImageSelection(type=node_image_selection),
        target_kubernetes_version=target,
        long_term_support=lts,
        disabled=disabled,
    )

    async def write() -> Plain:
        async with scope.hub() as client:
            if spec.update_strategy_name is not None:
                try:
                    await client.get(UpdateStrategy, spec.update_strategy_name)
                except NotFound:
                    raise await not_there(client, STRATEGY, spec.update_strategy_name) from None
            profile = AutoUpgradeProfile(metadata=ObjectMeta(name=name), spec=spec)
            await create_or_change(client, AutoUpgradeProfile, profile, lambda present: replace(present, spec=spec))
            return await read(client, PROFILE, name)

    found = PROFILE.view(asyncio.run(write()))
    output.show(found, lambda: table(PROFILE, [found]))


def _check(channel: str, images: str | None, target: str | None, lts: bool) -> None:
    """Refuse what does not go together."""
    fixed = channel == "TargetKubernetesVersion"
    if fixed and target is None:
        raise CannotStart("--target-kubernetes-version must be set when --channel is TargetKubernetesVersion")
    if not fixed and target is not None:
        raise CannotStart(f"--target-kubernetes-version cannot be set when --channel is {channel}, found {target!r}")
    if lts and not fixed:
        raise CannotStart(f"--long-term-support cannot be set when --channel is {channel}")
    if channel == "NodeImage" and images is not None:
        raise CannotStart("--node-image-selection cannot be set when --channel is NodeImage: it has its own")
