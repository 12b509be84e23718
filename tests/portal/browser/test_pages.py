"""Every page: for those who do not see it, in light and dark, on a telephone, and live."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from ...processes import HubProcess, echelon
from .conftest import Visitor, readable_by_everybody

PATHS = (
    "/",
    "/runs",
    "/runs/new",
    "/runs/a-run",
    "/strategies",
    "/strategies/new",
    "/strategies/an-order",
    "/strategies/an-order/edit",
    "/profiles",
    "/profiles/new",
    "/profiles/a-profile",
    "/approvals",
    "/members",
    "/members/member1",
    "/activity",
    "/runs/nothing",
)
ORDER = (
    '{"stages": [{"name": "first", "groups": [{"name": "one"}], "beforeGates": [{"type": "Approval", '
    '"displayName": "Ready?"}]}, {"name": "second", "groups": [{"name": "two"}], "afterStageWaitInSeconds": 60}]}'
)


@pytest.fixture(scope="module")
def furnished(hub: HubProcess) -> HubProcess:
    """A hub that has something on every page: a run that waits for an approval among it."""
    where = ("--kubeconfig", str(hub.kubeconfig))
    for arguments in (
        ("member", "update", "-n", "member1", "--update-group", "one"),
        ("member", "update", "-n", "member2", "--update-group", "two"),
        ("updatestrategy", "create", "-n", "an-order", "--stages", ORDER),
        ("autoupgradeprofile", "create", "-n", "a-profile", "--channel", "Stable", "--disabled"),
        (
            *("updaterun", "create", "-n", "a-run", "--upgrade-type", "ControlPlaneOnly"),
            *("--kubernetes-version", "1.30.4", "--update-strategy-name", "an-order"),
        ),
        ("updaterun", "start", "-n", "a-run"),
    ):
        done = echelon(*arguments, *where)
        assert done.returncode == 0, done.stderr
    return hub


@pytest.fixture(scope="module")
def visitor(context: BrowserContext, furnished: HubProcess) -> Visitor:
    found = Visitor(context, furnished)
    found.sign_in((furnished.data / "admin-token").read_text().strip())
    return found


@pytest.mark.parametrize("path", PATHS)
def test_a_page_can_be_read_by_everybody(visitor: Visitor, path: str) -> None:
    readable_by_everybody(visitor, path)


def test_the_keyboard_reaches_what_the_mouse_does(visitor: Visitor) -> None:
    page = visitor.open("/runs/a-run")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("main").get_by_role("link", name="Update runs")).to_be_focused()
    page.get_by_role("button", name="Skip stage second…").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Skip", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Skip", exact=True)).to_be_hidden()


def test_a_change_shows_within_half_a_second(visitor: Visitor) -> None:
    page = visitor.open("/members/member3")
    other = visitor.page.context.new_page()
    other.goto(f"{visitor.base}/members/member3")
    expect(other.locator("#live")).to_have_attribute("data-state", "live")
    took = []
    for group in ("moved", "moved-on", "moved-again"):  # the best of three: other tests may be busy
        page.evaluate(
            """(group) => { window.seen = new Promise((resolve) => new MutationObserver(() => {
                if (document.querySelector('#facts').textContent.includes(group)) resolve(Date.now());
            }).observe(document.querySelector('#main'), {subtree: true, childList: true, characterData: true})) }""",
            group,
        )
        other.get_by_label("Update group").fill(group)
        with other.expect_response("**/group") as answer:
            other.get_by_role("button", name="Set").click()
        took.append(page.evaluate("window.seen") - answer.value.request.timing["startTime"])
    assert min(took) < 500
    other.get_by_label("Update group").fill("")
    other.get_by_role("button", name="Set").click()
    expect(page.locator("#facts")).not_to_contain_text("moved")
    other.close()


def test_a_note_that_is_being_written_is_left_alone(visitor: Visitor) -> None:
    page = visitor.open("/approvals")
    page.get_by_label("Note").fill("half a sen")
    other = visitor.page.context.new_page()
    other.goto(f"{visitor.base}/members/member4")
    expect(other.locator("#live")).to_have_attribute("data-state", "live")
    other.get_by_label("Update group").fill("elsewhere")
    other.get_by_role("button", name="Set").click()
    expect(other.locator("#notices")).to_contain_text("member4 is in the update group elsewhere.")
    expect(other.locator("#facts")).to_contain_text("elsewhere")
    expect(page.get_by_label("Note")).to_have_value("half a sen")
    other.close()


def test_somebody_chooses_dark_and_keeps_it(chromium: Browser, furnished: HubProcess) -> None:
    context = chromium.new_context(ignore_https_errors=True, color_scheme="light")
    visitor = Visitor(context, furnished)
    visitor.sign_in((furnished.data / "admin-token").read_text().strip())
    background = "getComputedStyle(document.body).backgroundColor"
    light = visitor.page.evaluate(background)
    visitor.page.get_by_role("button", name="Change between light and dark").click()
    dark = visitor.page.evaluate(background)
    assert dark != light
    visitor.open("/members")
    assert visitor.page.evaluate(background) == dark
    context.close()
