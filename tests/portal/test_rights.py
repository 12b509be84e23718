"""What one may not do is not offered, and refused when it is asked for all the same."""

from __future__ import annotations

from typing import Any

import pytest

from echelon.api.core import RBAC
from echelon.api.fleet import Gate, UpdateRun
from echelon.api.meta import from_dict
from echelon.api.roles import VIEWER

from .conftest import Browser, Served

RUN: dict[str, Any] = {
    "metadata": {"name": "a-run"},
    "spec": {"managedClusterUpdate": {"upgrade": {"type": "ControlPlaneOnly", "kubernetesVersion": "1.30.4"}}},
}
GATE: dict[str, Any] = {
    "metadata": {"name": "a-gate"},
    "spec": {"gateType": "Approval", "target": {"updateRun": "a-run", "stage": "default", "timing": "Before"}},
}


@pytest.fixture
async def viewer(served: Served) -> Browser:
    """A browser of somebody who may look at everything and touch nothing."""
    await served.admin.create(
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "viewers"},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": VIEWER},
            "subjects": [{"apiGroup": RBAC, "kind": "User", "name": "viewer"}],
        }
    )
    await served.admin.create(from_dict(UpdateRun, RUN))
    await served.admin.create(from_dict(Gate, GATE))
    found = Browser(served.portal)
    await found.sign_in(served.token_of("viewer"))
    return found


async def test_what_one_may_not_do_is_not_offered(served: Served, viewer: Browser, browser: Browser) -> None:
    for path, offered in (
        ("/runs", "New run"),
        ("/runs/a-run", "/runs/a-run/start"),
        ("/runs/a-run", "/runs/a-run/delete"),
        ("/strategies", "New strategy"),
        ("/profiles", "New profile"),
        ("/approvals", 'action="/approvals/gates/a-gate"'),
        ("/members/member1", "/members/member1/group"),
    ):
        assert offered in (await browser.get(path)).body.decode(), path
        assert offered not in (await viewer.get(path)).body.decode(), path


async def test_what_is_forced_is_refused_in_the_words_of_the_hub(served: Served, viewer: Browser) -> None:
    await viewer.get("/")
    for path, fields in (
        ("/runs/a-run/start", {}),
        ("/runs/a-run/skip", {"target": "Member:member1"}),
        ("/runs/a-run/delete", {}),
        ("/approvals/gates/a-gate", {"note": "mine"}),
        ("/members/member1/group", {"group": "mine"}),
        ("/runs", {"name": "mine", "scope": "ControlPlaneOnly", "version": "1.30.4"}),
        ("/profiles", {"name": "mine", "channel": "Stable"}),
    ):
        answer = await viewer.post(path, fields)
        assert answer.status == 403, path
        assert "The hub refused it" in answer.body.decode()
        assert "viewer" in answer.body.decode()
    assert (await served.admin.get(Gate, "a-gate")).status.state == "Pending"
    assert (await served.admin.get(UpdateRun, "a-run")).spec.state == "Initialize"


async def test_a_page_that_stays_is_told_in_a_notice(viewer: Browser) -> None:
    await viewer.get("/")
    answer = await viewer.post("/runs/a-run/start", {}, hx_request="true")
    assert answer.status == 200
    assert "notice bad" in answer.body.decode()
    assert "The hub refused it" in answer.body.decode()


async def test_who_did_something_is_written_down(served: Served, browser: Browser) -> None:
    await served.admin.create(from_dict(UpdateRun, RUN))
    await browser.get("/runs/a-run")
    assert (await browser.post("/runs/a-run/start", {"back": "/runs/a-run"})).headers["location"] == "/runs/a-run"
    page = (await browser.get("/activity?kind=update+run")).body.decode()
    assert "echelon-admin" in page
    assert (await served.admin.get(UpdateRun, "a-run")).metadata.annotations[
        "fleet.echelon.dev/last-modified-by"
    ] == "echelon-admin"
