"""A thousand members: how long a page takes, and how much of it travels when something changes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.api.fleet import UpdateRun
from echelon.api.meta import from_dict
from echelon.kube.patches import MergePatch
from echelon.portal.live import RATE

from .conftest import Browser, Served, live_path, serving

MEMBERS = 1000
FIRST_BYTE = 0.2
SLACK = 4  # times that this machine may be slower than one that does nothing else


def member(number: int) -> MemberCluster:
    return from_dict(
        MemberCluster,
        {
            "metadata": {"name": f"m{number:04}", "labels": {names.UPDATE_GROUP: f"group-{number % 20}"}},
            "spec": {"identity": {"kind": "User", "name": f"agent-{number}"}},
        },
    )


@pytest.fixture
async def large() -> AsyncIterator[Served]:
    """The fleet of the tutorial, and members besides that nobody runs."""
    async with serving() as served:
        for begin in range(0, MEMBERS, 100):
            await asyncio.gather(*(served.admin.create(member(number)) for number in range(begin, begin + 100)))
        update = {"upgrade": {"type": "ControlPlaneOnly", "kubernetesVersion": "1.30.4"}}
        groups = [{"name": f"group-{number}"} for number in range(20)]
        stages = [{"name": f"s{number}", "groups": groups[4 * number : 4 * number + 4]} for number in range(5)]
        run = {"metadata": {"name": "large"}, "spec": {"managedClusterUpdate": update, "strategy": {"stages": stages}}}
        await served.admin.create(from_dict(UpdateRun, run))
        yield served


async def test_pages_of_a_thousand_members_are_quick_and_changes_are_small(large: Served) -> None:
    browser, loop = Browser(large.portal), asyncio.get_running_loop()
    await browser.sign_in()
    for path in ("/", "/members", "/runs/large", "/approvals", "/runs/new"):
        await browser.get(path)  # the first page of a user reads from the hub what it shows
        took = []
        for _ in range(3):
            begun = loop.time()
            answer = await browser.get(path)
            took.append(loop.time() - begun)
            assert answer.status == 200
        assert min(took) < FIRST_BYTE * SLACK, (path, took)
    for path in ("/", "/runs/large"):
        assert 0 < await sent_in(3.0, large, browser, path) <= 4 * RATE


async def sent_in(seconds: float, large: Served, browser: Browser, path: str) -> int:
    """How many bytes the stream of a page sends while members go from group to group."""
    page, loop = (await browser.get(path)).body.decode(), asyncio.get_running_loop()

    async def restless() -> None:
        for number in range(MEMBERS):
            labels = {names.UPDATE_GROUP: f"group-{number % 7}", "at": f"{loop.time()}"}
            patch = MergePatch({"metadata": {"labels": labels}})
            await large.admin.patch(MemberCluster, f"m{number:04}", patch)
            run_patch = MergePatch({"status": {"error": {"code": "Test", "message": f"{number}"}}})
            await large.admin.patch(UpdateRun, "large", run_patch, subresource="status")

    sent, task = 0, asyncio.create_task(restless())
    async with browser.stream(live_path(page)) as stream:
        until = loop.time() + seconds
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while loop.time() < until:
                    sent += sum(map(len, (await stream.event()).values()))
    task.cancel()
    return sent
