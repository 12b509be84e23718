"""The staged rollout tutorial by clicking, up to a rollback. What is rolled out is made as kubectl makes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import yaml
from playwright.sync_api import Browser, Locator, Page, expect

from ...processes import HubProcess
from .conftest import PATIENCE, Visitor, readable_by_everybody

PLACEMENT = "/apis/placement.kubernetes-fleet.io/v1beta1"
STAGES = [
    {
        "name": "staging",
        "labelSelector": {"matchLabels": {"environment": "staging"}},
        "afterStageTasks": [{"type": "TimedWait", "waitTime": "2s"}],
    },
    {
        "name": "canary",
        "labelSelector": {"matchLabels": {"environment": "canary"}},
        "sortingLabelKey": "order",
        "afterStageTasks": [{"type": "Approval"}],
    },
]
SELECTOR = {"group": "", "version": "v1", "kind": "Namespace", "name": "test-namespace"}


@pytest.fixture(scope="module")
def hub(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """The hub of the staged rollout tutorial."""
    found = HubProcess(tmp_path_factory.mktemp("portal") / "data")
    found.start()
    yield found
    found.close()


class Api:
    """The API of the hub and its members, as kubectl uses it."""

    def __init__(self, hub: HubProcess) -> None:
        config = yaml.safe_load(hub.kubeconfig.read_text())
        self._servers = {item["name"]: item["cluster"]["server"] for item in config["clusters"]}
        self._tokens = {item["name"]: item["user"]["token"] for item in config["users"]}
        self._authority = str(hub.data / "pki" / "ca.crt")

    def __call__(self, method: str, path: str, body: Any = None, on: str = "hub") -> Any:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Authorization": f"Bearer {self._tokens[on]}", "Content-Type": kind}
        address = self._servers[on] + path
        answer = requests.request(method, address, json=body, headers=headers, verify=self._authority, timeout=30)
        assert answer.ok, answer.text
        return answer.json()

    def value(self, member: str) -> str:
        found: str = self("GET", "/api/v1/namespaces/test-namespace/configmaps/test-cm", on=member)["data"]["key"]
        return found

    def change(self, value: str) -> None:
        self("PATCH", "/api/v1/namespaces/test-namespace/configmaps/test-cm", {"data": {"key": value}})


@pytest.fixture(scope="module")
def api(hub: HubProcess) -> Api:
    """The API, with a workload, its placement and a strategy made."""
    made = Api(hub)
    made("POST", "/api/v1/namespaces", {"metadata": {"name": "test-namespace"}})
    settings = {"metadata": {"name": "test-cm"}, "data": {"key": "value1"}}
    made("POST", "/api/v1/namespaces/test-namespace/configmaps", settings)
    version = "placement.kubernetes-fleet.io/v1beta1"
    spec = {"resourceSelectors": [SELECTOR], "policy": {"placementType": "PickAll"}, "strategy": {"type": "External"}}
    placement = {"apiVersion": version, "kind": "ClusterResourcePlacement", "metadata": {"name": "example-placement"}}
    made("POST", f"{PLACEMENT}/clusterresourceplacements", placement | {"spec": spec})
    strategy = {"apiVersion": version, "kind": "ClusterStagedUpdateStrategy", "metadata": {"name": "example-strategy"}}
    made("POST", f"{PLACEMENT}/clusterstagedupdatestrategies", strategy | {"spec": {"stages": STAGES}})
    return made


def has_state(page: Page, state: str) -> None:
    expect(page.locator("#head .chip")).to_have_text(state, timeout=PATIENCE)


def has_snapshots(page: Page, count: int) -> None:
    """Wait until the placement has so many snapshots; its form is drawn with the page, so that is opened again."""
    expect(page.locator("#snapshots .lines > li")).to_have_count(count, timeout=PATIENCE)
    page.reload()


def waits_for_approval(page: Page) -> Locator:
    """Wait until a rollout has come to its approval; the way there."""
    link = page.get_by_role("link", name="Approve…")
    expect(link).to_be_visible(timeout=PATIENCE)
    return link


def approve(visitor: Visitor, run: str) -> None:
    """Go from a rollout that waits to the inbox, approve there, and come back."""
    page = visitor.page
    waits_for_approval(page).click()
    card = page.locator(".approval").filter(has_text=f"{run}-canary")
    card.get_by_label("Note").fill("looks good")
    card.get_by_role("button", name="Approve").click()
    expect(page.locator("#given")).to_contain_text("looks good (echelon-admin)")
    visitor.open(f"/rollouts/{run}")


def test_a_placement_shows_what_it_selects_and_what_changed(visitor: Visitor, api: Api) -> None:
    page = visitor.open("/placements")
    page.get_by_role("link", name="example-placement").click()
    has_state(page, "being rolled out by runs")
    expect(page.locator("#state")).to_contain_text("Namespace test-namespace, on all members, rolled out by staged")
    expect(page.locator("#members .lines > li")).to_have_count(3)
    has_snapshots(page, 1)
    api.change("value2")
    has_snapshots(page, 2)
    page.get_by_role("link", name="What changed").click()
    expect(page.locator("#changes")).to_contain_text("ConfigMap test-namespace/test-cm: data.key value1 → value2")


def test_a_snapshot_is_rolled_out(visitor: Visitor, api: Api) -> None:
    page = visitor.open("/placements/example-placement")
    page.get_by_label("What").select_option("snapshot 1")
    page.get_by_role("button", name="Roll out").click()
    expect(page.get_by_role("heading", name="example-placement-1")).to_be_visible()
    expect(page.locator("#stage-staging")).to_contain_text("done", timeout=PATIENCE)
    waits_for_approval(page)
    assert [api.value(member) for member in ("member1", "member2", "member3")] == ["value2"] * 3
    expect(page.locator("#state")).to_contain_text("Waits for")
    approve(visitor, "example-placement-1")
    has_state(page, "done")
    visitor.open("/placements/example-placement")
    has_state(page, "available")
    expect(page.locator("#state")).to_contain_text("No way back yet")


def test_a_rollout_is_stopped_and_goes_on(visitor: Visitor, api: Api) -> None:
    api.change("value3")
    page = visitor.open("/placements/example-placement")
    has_snapshots(page, 3)
    page.get_by_label("What").select_option("snapshot 2")
    page.get_by_role("button", name="Roll out").click()
    page.get_by_role("button", name="Stop").click()
    has_state(page, "stopped")
    page.get_by_role("button", name="Go on").click()
    approve(visitor, "example-placement-2")
    has_state(page, "done")
    assert api.value("member1") == "value3"


def test_a_rollback_heals(visitor: Visitor, api: Api) -> None:
    page = visitor.open("/placements/example-placement")
    page.get_by_role("button", name="Go back…").click()
    expect(page.locator("#roll-back")).to_contain_text("Go back to snapshot 1?")
    page.locator("#roll-back").get_by_role("button", name="Go back").click()
    expect(page.get_by_role("heading", name="example-placement-3")).to_be_visible()
    approve(visitor, "example-placement-3")
    has_state(page, "done")
    assert [api.value(member) for member in ("member1", "member2", "member3")] == ["value2"] * 3
    visitor.open("/compare/example-placement?before=member:member1&after=2")
    expect(page.locator("#changes")).to_contain_text("data.key value2 → value3")
    expect(visitor.open("/rollouts").locator("#rollouts .lines > li")).to_have_count(3)
    assert visitor.complaints == []


@pytest.mark.parametrize(
    "path",
    [
        "/placements",
        "/placements/example-placement",
        "/rollouts",
        "/rollouts/example-placement-3",
        "/compare/example-placement?before=1&after=2",
    ],
)
def test_a_page_can_be_read_by_everybody(visitor: Visitor, api: Api, path: str) -> None:
    readable_by_everybody(visitor, path)


def test_a_viewer_is_offered_nothing_and_refused_when_it_is_forced(
    chromium: Browser, hub: HubProcess, api: Api
) -> None:
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    api("POST", accounts, {"metadata": {"name": "viewer"}})
    token = api("POST", f"{accounts}/viewer/token", {"spec": {}})["status"]["token"]
    binding = {
        "metadata": {"name": "portal-viewer"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "echelon:viewer"},
        "subjects": [{"kind": "ServiceAccount", "name": "viewer", "namespace": "default"}],
    }
    api("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    context = chromium.new_context(ignore_https_errors=True)
    viewer = Visitor(context, hub)
    viewer.sign_in(token)
    page = viewer.open("/placements/example-placement")
    expect(page.locator("#snapshots")).to_contain_text("no snapshot that you may see")
    expect(page.get_by_role("button", name="Roll out")).to_have_count(0)
    expect(page.get_by_role("button", name="Go back…")).to_have_count(0)
    forced = {"csrf": page.locator("[name=csrf]").first.input_value(), "snapshot": "", "strategy": "example-strategy"}
    address = f"{viewer.base}/placements/example-placement/roll-out"
    headers = {"Origin": viewer.base}
    assert page.request.post(address, form=forced, headers=headers, max_redirects=0).status == 403
    assert len(api("GET", f"{PLACEMENT}/clusterstagedupdateruns")["items"]) == 3
    context.close()
