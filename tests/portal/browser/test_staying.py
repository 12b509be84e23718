"""A page that is left open: while things change, while the hub is away, and without script."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from ...processes import HubProcess, echelon
from .conftest import FLEET_FILE, PATIENCE, Visitor


@pytest.fixture
def own_hub(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub that the test may end."""
    found = HubProcess(tmp_path_factory.mktemp("portal") / "data", "--fleet", str(FLEET_FILE))
    found.start()
    yield found
    found.close()


def token_of(hub: HubProcess) -> str:
    return (hub.data / "admin-token").read_text().strip()


def run(hub: HubProcess, name: str, *options: str) -> None:
    """Make and start a run of the control planes."""
    where = ("-n", name, "--kubeconfig", str(hub.kubeconfig))
    wanted = ("--upgrade-type", "ControlPlaneOnly", "--kubernetes-version", "1.30.4")
    for arguments in (("create", *wanted, *where), ("start", *where)):
        done = echelon("updaterun", *arguments)
        assert done.returncode == 0, done.stderr


def test_a_question_stays_open_while_the_page_changes(visitor: Visitor, hub: HubProcess) -> None:
    run(hub, "changing")
    page = visitor.open("/runs/changing")
    page.get_by_role("button", name="Skip member4…").click()
    question = page.get_by_role("button", name="Skip", exact=True)
    expect(question).to_be_visible()
    expect(page.locator(".members > li").first.locator(".mark-tone")).to_have_class(re.compile("good"))
    expect(question).to_be_visible()
    question.click()
    expect(page.locator("#notices")).to_contain_text("skips member member4")
    expect(page.locator("#head .chip")).to_have_text("done", timeout=PATIENCE)
    assert visitor.complaints == []


def test_a_hub_that_was_away_asks_who_is_there(chromium: Browser, own_hub: HubProcess) -> None:
    context = chromium.new_context(ignore_https_errors=True)
    visitor = Visitor(context, own_hub)
    visitor.sign_in(token_of(own_hub))
    page = visitor.open("/members")
    own_hub.kill()
    expect(page.locator("#live")).to_have_attribute("data-state", "lost")
    own_hub.start()
    expect(page.get_by_label("Token of the hub")).to_be_visible(timeout=PATIENCE)
    page.get_by_label("Token of the hub").fill(token_of(own_hub))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Members")).to_be_visible()
    context.close()


def test_a_hub_ends_cleanly_while_pages_are_open(chromium: Browser, own_hub: HubProcess) -> None:
    context = chromium.new_context(ignore_https_errors=True)
    visitor = Visitor(context, own_hub)
    visitor.sign_in(token_of(own_hub))
    page = visitor.open("/")
    code, _, errors = own_hub.interrupt()
    assert (code, errors) == (0, "")
    expect(page.locator("#live")).to_have_attribute("data-state", "lost")
    context.close()


def test_everything_works_without_script(chromium: Browser, hub: HubProcess) -> None:
    context = chromium.new_context(ignore_https_errors=True, java_script_enabled=False)
    page = context.new_page()
    base = f"https://127.0.0.1:{hub.port}"
    page.goto(f"{base}/signin")
    page.get_by_label("Token of the hub").fill(token_of(hub))
    page.get_by_role("button", name="Sign in").click()
    page.goto(f"{base}/members/member1")
    page.get_by_label("Update group").fill("by-form")
    page.get_by_role("button", name="Set").click()
    expect(page.locator("#notices")).to_contain_text("member1 is in the update group by-form.")
    page.goto(f"{base}/strategies/new")
    page.locator("#name").fill("plain")
    page.locator(".stage-row").get_by_label("Name").fill("only")
    page.locator(".stage-row").get_by_label("Update group").fill("by-form")
    page.get_by_role("button", name="Create").click()
    expect(page.locator("#order")).to_contain_text("1 member now")
    context.close()
