"""The example of a program that upgrades clusters does what the protocol wants."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from echelon.upgrade.providers.contract import Code, Member, Operation, ProviderError
from echelon.upgrade.providers.external import Commands, ExternalProvider
from echelon.upgrade.providers.settings import CommandSettings

EXAMPLE = Path(__file__).parents[2] / "examples" / "upgrade-command.py"
MEMBER = Member(name="one", cluster_resource_id="exec://lab/rack-7")
CLUSTER = {"version": "1.30.0", "pools": {"metal": {"version": "1.30.0", "count": 3}}, "jobs": {}}
TARGET = Operation(control_plane_version="1.31.1", node_version="1.31.1")


def example(folder: Path, seconds: float) -> ExternalProvider:
    file = folder / "clusters.json"
    if not file.exists():
        file.write_text(json.dumps({"rack-7": CLUSTER}))
    environment = {"CLUSTERS": str(file), "SECONDS": str(seconds)}
    command = CommandSettings(command=(sys.executable, str(EXAMPLE)), environment=environment)
    return ExternalProvider(Commands({"lab": command}))


async def test_it_upgrades_a_cluster_once(tmp_path: Path) -> None:
    slow, quick = example(tmp_path, 600), example(tmp_path, 0)
    assert await slow.preflight(MEMBER, TARGET) == []
    handle = await slow.start(MEMBER, TARGET, "key-1")
    assert await slow.start(MEMBER, TARGET, "key-1") == handle
    assert (await slow.poll(MEMBER, handle)).state == "Running"
    assert (await slow.observe(MEMBER)).busy == handle
    assert not await slow.abort(MEMBER, handle)
    assert (await quick.poll(MEMBER, handle)).state == "Succeeded"
    seen = await quick.observe(MEMBER)
    assert (seen.control_plane_version, seen.node_pools[0].kubernetes_version, seen.busy) == ("1.31.1", "1.31.1", "")


async def test_it_says_what_it_does_not_know(tmp_path: Path) -> None:
    provider = example(tmp_path, 0)
    with pytest.raises(ProviderError, match="no job nothing") as caught:
        await provider.poll(MEMBER, "nothing")
    assert caught.value.code is Code.NOT_FOUND
    with pytest.raises(ProviderError, match="no cluster rack-8"):
        await provider.observe(Member(name="two", cluster_resource_id="exec://lab/rack-8"))
