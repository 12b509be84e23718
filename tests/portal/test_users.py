"""What a user watches: from the first page on, shared by all pages, and not for longer than somebody looks."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from echelon.api.cluster import MemberCluster
from echelon.api.fleet import UpdateRun
from echelon.kube.informer import Change
from echelon.kube.kinds import kind_of
from echelon.portal.news import is_news

from .conftest import Browser, Served, live_path
from .views.objects import member


def user_of(served: Served) -> object:
    """The one user of a portal."""
    ((user, _),) = served.portal._users._users.values()
    return user


async def test_what_nobody_looks_at_is_let_go(
    served: Served, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("echelon.portal.users.IDLE", 0.02)
    assert "member1" in (await browser.get("/members")).body.decode()
    user = user_of(served)
    await asyncio.sleep(0.1)
    assert not user.is_watching  # type: ignore[attr-defined]
    assert user.list(MemberCluster) == ()  # type: ignore[attr-defined]
    assert "member1" in (await browser.get("/members")).body.decode()


async def test_a_page_that_is_open_is_looked_at(
    served: Served, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("echelon.portal.users.IDLE", 0.02)
    page = (await browser.get("/members")).body.decode()
    async with browser.stream(live_path(page)):
        await asyncio.sleep(0.2)
        assert user_of(served).is_watching  # type: ignore[attr-defined]


async def test_pages_share_what_is_watched(served: Served, browser: Browser) -> None:
    await browser.get("/members")
    other = Browser(served.portal)
    await other.sign_in()
    await other.get("/members/member1")
    assert len(served.portal._users._users) == 1
    assert {kind.__name__ for kind in user_of(served)._watched} >= {"MemberCluster", "Gate"}  # type: ignore[attr-defined]


def test_a_heartbeat_is_no_news() -> None:
    kind, before = kind_of(MemberCluster), member("m", beat=-60)
    assert not is_news(Change(kind, before, member("m", beat=0)))
    assert is_news(Change(kind, before, member("m", beat=0, Healthy="False")))
    assert is_news(Change(kind, before, member("m", beat=0, version="v1.31.1")))
    labelled = replace(before, metadata=replace(before.metadata, labels={"a": "b"}))
    assert is_news(Change(kind, before, labelled))
    assert is_news(Change(kind, None, before))
    assert is_news(Change(kind, before, None))


def test_any_change_of_another_kind_is() -> None:
    assert is_news(Change(kind_of(UpdateRun), None, None))
