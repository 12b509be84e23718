"""Plans of system-upgrade-controller against the contract, with a controller that is played."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from echelon.api.core import Node
from echelon.kube import crds
from echelon.kube.client import Client
from echelon.kube.kinds import Unstructured
from echelon.kube.patches import MergePatch
from echelon.upgrade.providers.contract import Code, Member, Operation, ProviderError
from echelon.upgrade.providers.management import ManagementClusters, over_http
from echelon.upgrade.providers.plans import PlanPlatform
from echelon.upgrade.providers.plans.objects import GROUP, JOB, PLAN
from echelon.upgrade.providers.settings import PlanSettings
from echelon.upgrade.providers.steps import SteppedProvider

from ..hub import Hub
from .contract import ProviderContract, finished
from .definitions import definition
from .severed import SeverableTransport

MEMBER = Member(name="one", cluster_resource_id="plan://default?kubeconfig=")
PLANS, JOBS = Unstructured(PLAN), Unstructured(JOB)


class Controller:
    """The platform: a server and two agents, and the controller of Plans."""

    target = Operation(control_plane_version="1.31.1+k3s1", node_version="1.31.1+k3s1")
    queues = False

    def __init__(self, admin: Client, clusters: ManagementClusters) -> None:
        self.admin = admin
        self.cut_off: Callable[[], Awaitable[None]]
        platform = PlanPlatform(clusters, PlanSettings())
        self.provider = SteppedProvider(platform, platform.changes)

    async def set_up(self) -> None:
        await crds.install(self.admin, [definition(GROUP, "v1", "Plan")])
        for name, labels in (("server", {"node-role.kubernetes.io/control-plane": "true"}), ("a", {}), ("b", {})):
            metadata = {"name": name, "labels": labels}
            await self.admin.create({"apiVersion": "v1", "kind": "Node", "metadata": metadata})
            await self.bring(name, "v1.30.4+k3s1")

    async def bring(self, node: str, version: str) -> None:
        change = {"status": {"nodeInfo": {"kubeletVersion": version}}}
        await self.admin.patch(Node, node, MergePatch(change), subresource="status")

    async def plans(self) -> dict[str, dict[str, Any]]:
        found = await self.admin.list(PLANS, namespace="default")
        return {plan["metadata"]["name"]: plan for plan in found.items}

    async def condition(self, plan: str, **condition: str) -> None:
        change = {"status": {"conditions": [condition]}}
        await self.admin.patch(PLANS, ("default", plan), MergePatch(change))

    async def started(self) -> int:
        return sum(plan["metadata"]["generation"] for plan in (await self.plans()).values())

    async def carry_on(self) -> None:
        for name, plan in (await self.plans()).items():
            channel = plan["spec"].get("channel", "").rpartition("/")[2]
            version = plan["spec"].get("version") or f"{channel}.7+k3s1"
            for node in ("server",) if name == "echelon-servers" else ("a", "b"):
                await self.bring(node, version)

    async def fail(self) -> None:
        await self.job("echelon-servers", "DeadlineExceeded")

    async def job(self, plan: str, reason: str) -> None:
        labels = {f"{GROUP}/plan": plan, f"{GROUP}/node": "server"}
        pod = {"containers": [{"name": "upgrade", "image": "upgrade"}], "restartPolicy": "Never"}
        job = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "apply-1", "namespace": "default", "labels": labels},
            "spec": {"template": {"spec": pod}},
        }
        await self.admin.create(job, JOBS)
        condition = {"type": "Failed", "status": "True", "reason": reason, "message": "Job was active too long"}
        status = {"status": {"conditions": [condition]}}
        await self.admin.patch(JOBS, ("default", "apply-1"), MergePatch(status), subresource="status")

    async def hold_back(self) -> None:
        raise NotImplementedError


@pytest.fixture
async def platform(bare_hub: Hub) -> AsyncIterator[Controller]:
    transport = SeverableTransport(bare_hub.server, headers={"Authorization": "Bearer provider"})
    client = Client(transport)
    controller = Controller(bare_hub.admin, ManagementClusters(client, over_http))
    controller.cut_off = transport.sever
    await controller.set_up()
    yield controller
    await client.close()


@pytest.fixture
def provider(platform: Controller) -> SteppedProvider:
    return platform.provider


@pytest.fixture
def cluster() -> Member:
    return MEMBER


class TestContract(ProviderContract):
    pass


async def test_servers_go_before_agents(provider: SteppedProvider, platform: Controller) -> None:
    handle = await provider.start(MEMBER, platform.target, "key-1")
    assert list(await platform.plans()) == ["echelon-servers"]
    await finished(provider, MEMBER, platform, handle)
    plans = await platform.plans()
    servers, agents = plans["echelon-servers"]["spec"], plans["echelon-agents"]["spec"]
    assert servers["version"] == agents["version"] == "v1.31.1+k3s1"
    assert servers["nodeSelector"]["matchExpressions"][0]["operator"] == "Exists"
    assert "drain" not in servers
    assert agents["drain"]["ignoreDaemonSets"]


async def test_a_minor_version_is_a_channel(provider: SteppedProvider, platform: Controller) -> None:
    operation = Operation(control_plane_version="1.31", node_version="1.31")
    assert await provider.preflight(MEMBER, operation) == ()
    handle = await provider.start(MEMBER, operation, "key-1")
    assert (await provider.observe(MEMBER)).busy
    assert (await finished(provider, MEMBER, platform, handle)).state == "Succeeded"
    plans = await platform.plans()
    assert plans["echelon-agents"]["spec"]["channel"] == "https://update.k3s.io/v1-release/channels/v1.31"
    assert (await provider.observe(MEMBER)).control_plane_version == "1.31.7+k3s1"


async def test_a_version_needs_its_distribution(provider: SteppedProvider) -> None:
    (finding,) = await provider.preflight(MEMBER, Operation(control_plane_version="1.31.1"))
    assert finding.code is Code.INVALID_VERSION
    assert "ask for one such as 1.31.1+k3s1, or for a minor version" in finding.message


async def test_a_job_that_failed_is_told_and_made_anew(provider: SteppedProvider, platform: Controller) -> None:
    handle = await provider.start(MEMBER, platform.target, "key-1")
    await platform.fail()
    progress = await provider.poll(MEMBER, handle)
    assert (progress.state, progress.code) == ("Failed", Code.TIMEOUT)
    assert progress.message == ("The job apply-1 on node server has failed: DeadlineExceeded: Job was active too long")
    assert not (await provider.observe(MEMBER)).busy
    again = await provider.start(MEMBER, platform.target, "key-2")
    assert (await platform.admin.list(JOBS, namespace="default")).items == []
    assert (await finished(provider, MEMBER, platform, again)).state == "Succeeded"


@pytest.mark.parametrize(
    ("condition", "state", "code"),
    [
        ({"type": "Validated", "status": "False", "reason": "PlanIsInvalid"}, "Failed", Code.INVALID_VERSION),
        ({"type": "LatestResolved", "status": "False", "reason": "Error"}, "Running", Code.NETWORK),
        ({"type": "LatestResolved", "status": "True", "reason": "Version"}, "Running", None),
    ],
)
async def test_what_plans_complain_about(
    provider: SteppedProvider, platform: Controller, condition: dict[str, str], state: str, code: Code | None
) -> None:
    handle = await provider.start(MEMBER, platform.target, "key-1")
    await platform.condition("echelon-servers", message="said", **condition)
    progress = await provider.poll(MEMBER, handle)
    assert (progress.state, progress.code) == (state, code)


async def test_a_plan_that_is_deleted(provider: SteppedProvider, platform: Controller) -> None:
    handle = await provider.start(MEMBER, platform.target, "key-1")
    await platform.admin.delete(PLANS, ("default", "echelon-servers"))
    assert (await provider.poll(MEMBER, handle)).message == "The Plan echelon-servers was deleted"


async def test_the_way_in_is_a_secret_unless_it_is_the_hub(provider: SteppedProvider) -> None:
    with pytest.raises(ProviderError, match=r"Secret fleet-member-one/member-kubeconfig: .*not found") as caught:
        await provider.observe(Member(name="one", cluster_resource_id="plan://default"))
    assert (caught.value.code, caught.value.retryable) == (Code.NOT_FOUND, True)
    with pytest.raises(ProviderError, match="want plan://namespace"):
        await provider.observe(Member(name="one", cluster_resource_id="plan://"))
