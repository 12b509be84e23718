"""The cluster update tutorial, by clicking: what is typed in docs/update-runs.md is done on pages here."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from .conftest import PATIENCE, Visitor


def has_state(page: Page, state: str) -> None:
    """Wait until the run of a page is in a state."""
    expect(page.locator("#head .chip")).to_have_text(state, timeout=PATIENCE)


def new_run(visitor: Visitor, name: str, scope: str, version: str = "", images: str = "") -> Page:
    """Open the form of a run and say what it does."""
    page = visitor.open("/runs")
    page.get_by_role("link", name="New run").click()
    page.locator("#name").fill(name)
    page.get_by_role("radio", name=re.compile(f"^{scope}")).check()
    if version:
        page.get_by_label("Kubernetes version", exact=True).fill(version)
    if images:
        page.get_by_label("Node images", exact=True).select_option(images)
    return page


def build_stages(page: Page) -> None:
    """Two stages: group-1a and group-1b with a wait, then group-2a."""
    stages = page.locator(".stage-row")
    first = stages.nth(0)
    first.get_by_label("Name").fill("stage1")
    first.get_by_label("Wait after").fill("2s")
    first.get_by_label("Update group").fill("group-1a")
    first.get_by_role("button", name="Group", exact=True).click()
    first.get_by_label("Update group").nth(1).fill("group-1b")
    page.get_by_role("button", name="Stage", exact=True).click()
    second = stages.nth(1)
    second.get_by_label("Name").fill("stage2")
    second.get_by_label("Update group").fill("group-2a")


def test_one_by_one(visitor: Visitor) -> None:
    page = new_run(visitor, "run-1", "Kubernetes and nodes", "1.30.4", "Latest")
    expect(page.locator("#plan")).to_contain_text("4 members would be done")
    page.get_by_role("button", name="Create, not started").click()
    expect(page.get_by_role("heading", name="run-1")).to_be_visible()
    has_state(page, "not started")
    expect(page.locator(".stage")).to_have_count(1)
    expect(page.locator(".members > li")).to_have_count(4)
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#notices")).to_contain_text("Run run-1 is started.")
    has_state(page, "done")
    expect(page.locator(".members .mark-tone.good")).to_have_count(4)
    expect(page.get_by_role("button", name="Start")).to_have_count(0)


def test_groups_and_stages(visitor: Visitor) -> None:
    for member, group in (("1", "group-1a"), ("2", "group-1b"), ("3", "group-2a"), ("4", "group-2a")):
        page = visitor.open(f"/members/member{member}")
        page.get_by_label("Update group").fill(group)
        page.get_by_role("button", name="Set").click()
        expect(page.locator("#facts")).to_contain_text(group)
    page = new_run(visitor, "run-2", "Control planes", "1.31.1")
    expect(page.get_by_label("Node images", exact=True)).to_be_hidden()
    page.get_by_role("radio", name=re.compile("^Stages by hand")).check()
    build_stages(page)
    page.locator("#name").click()
    expect(page.locator("#plan .g-label").filter(has_text="wait 2s")).to_have_count(1)
    page.get_by_role("button", name="Create and start").click()
    has_state(page, "done")
    expect(page.locator("#stage-stage1 .group")).to_have_count(2)
    expect(page.locator("#stage-stage2 .members > li")).to_have_count(2)


def test_a_strategy_is_used_again(visitor: Visitor) -> None:
    page = visitor.open("/strategies")
    page.get_by_role("link", name="New strategy").click()
    page.locator("#name").fill("strategy-1")
    build_stages(page)
    page.get_by_role("button", name="Create").click()
    expect(page.locator("#order .stage")).to_have_count(2)
    expect(page.locator("#order")).to_contain_text("2 members now")
    page.get_by_role("link", name="New run with it").click()
    page.locator("#name").fill("run-5")
    page.get_by_role("radio", name=re.compile("^Node images")).check()
    page.get_by_label("Node images", exact=True).select_option("Consistent")
    expect(page.locator("#plan")).to_contain_text("AKSUbuntu-2204gen2containerd-202410.15.0")
    page.get_by_role("button", name="Create and start").click()
    has_state(page, "done")
    expect(page.locator("#facts")).to_contain_text("AKSUbuntu-2204gen2containerd-202410.15.0")


def test_skip_stop_and_start(visitor: Visitor) -> None:
    page = visitor.open("/runs/new?strategy=strategy-1")
    page.locator("#name").fill("run-6")
    page.get_by_role("radio", name=re.compile("^Kubernetes and nodes")).check()
    page.get_by_label("Kubernetes version", exact=True).fill("1.31.1")
    page.get_by_role("button", name="Create, not started").click()
    has_state(page, "not started")
    page.get_by_role("button", name="Skip group group-1b…").click()
    page.get_by_role("button", name="Skip", exact=True).click()
    expect(page.locator("#stage-stage1 .group").nth(1).locator(".mark-tone")).to_have_class(re.compile("skipped"))
    page.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="Stop").click()
    has_state(page, "stopped")
    expect(page.locator("#stage-stage2 .chip")).to_have_text("not started")
    page.get_by_role("button", name="Start").click()
    has_state(page, "done")
    visitor.open("/members/member2")
    expect(page.locator("#upgrades")).to_contain_text("run-6")


def test_an_approval_with_a_note(visitor: Visitor) -> None:
    page = visitor.open("/strategies/strategy-1")
    page.get_by_role("link", name="Change").click()
    page.locator(".stage-row").nth(0).get_by_label("Approval after").first.fill("Looks good")
    page.get_by_role("button", name="Change", exact=True).click()
    page.get_by_role("link", name="New run with it").click()
    page.locator("#name").fill("run-8")
    page.get_by_role("radio", name=re.compile("^Node images")).check()
    expect(page.locator("#plan")).to_contain_text("Looks good after stage stage1")
    page.get_by_role("button", name="Create and start").click()
    has_state(page, "waiting")
    expect(page.locator("#waiting")).to_have_text(re.compile("^1"))
    visitor.open("/")
    expect(page.locator("#asked")).to_contain_text("run-8, after stage stage1; then 2 members")
    visitor.open("/runs/run-8")
    page.get_by_role("link", name="Approve…").click()
    card = page.locator(".approval")
    expect(card).to_contain_text("stage stage2: 2 members – member3, member4")
    card.get_by_label("Note").fill("all green")
    card.get_by_role("button", name="Approve").click()
    expect(page.locator("#given")).to_contain_text("all green")
    expect(page.locator("#given")).to_contain_text("echelon-admin")
    expect(page.locator("#waiting")).to_be_hidden()
    visitor.open("/runs/run-8")
    has_state(page, "done")


def test_what_makes_no_sense_is_said(visitor: Visitor) -> None:
    page = new_run(visitor, "run-1", "Kubernetes and nodes", "1.99.0")
    expect(page.locator("#plan")).to_contain_text("1.99.0")
    page.get_by_role("button", name="Create, not started").click()
    expect(page.get_by_role("alert")).to_contain_text("1.99.0")
    page.get_by_label("Kubernetes version", exact=True).fill("1.31.1")
    page.get_by_role("button", name="Create, not started").click()
    expect(page.get_by_role("alert")).to_contain_text("There is a run run-1 already")


def test_nothing_of_all_that_was_refused_by_the_browser(visitor: Visitor) -> None:
    assert visitor.complaints == []
