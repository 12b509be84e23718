"""The portal from outside: who comes in, what is answered, what other sites cannot do."""

from __future__ import annotations

import pytest

from echelon.api.core import RBAC
from echelon.api.roles import VIEWER

from .conftest import TOKEN, Browser, Served, live_path


async def test_who_is_not_signed_in_is_sent_to_do_so(served: Served) -> None:
    browser = Browser(served.portal)
    for path, where in (("/", "/signin"), ("/members", "/signin?next=/members")):
        answer = await browser.get(path)
        assert (answer.status, answer.headers["location"]) == (303, where)
    assert "leave" in (await browser.get("/live/")).body.decode()


async def test_a_wrong_token_is_refused(served: Served) -> None:
    answer = await Browser(served.portal).sign_in("nobody's")
    assert answer.status == 401
    assert "does not know this token" in answer.body.decode()
    assert "nobody's" not in answer.body.decode()


async def test_a_cookie_is_for_this_site_alone(served: Served) -> None:
    answer = await Browser(served.portal).sign_in()
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("__host-echelon=")
    for attribute in ("httponly", "secure", "samesite=strict", "path=/"):
        assert attribute in cookie
    assert TOKEN not in cookie


async def test_a_link_signs_in_once(served: Served) -> None:
    browser, link = Browser(served.portal), served.portal.link(TOKEN)
    code = link.partition("link=")[2]
    assert "data-send" in (await browser.get(link)).body.decode()
    assert (await browser.get("/")).status == 303  # to look at the link changed nothing
    assert (await browser.post("/signin", {"link": code})).status == 303
    assert (await browser.get("/")).status == 200
    assert (await Browser(served.portal).post("/signin", {"link": code})).status == 401


async def test_where_somebody_is_sent_is_always_here(served: Served) -> None:
    for next_, where in (
        ("/members", "/members"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
    ):
        answer = await Browser(served.portal).post("/signin", {"token": TOKEN, "next": next_})
        assert answer.headers["location"] == where


async def test_every_answer_keeps_scripts_and_frames_out(served: Served, browser: Browser) -> None:
    for path in ("/", "/nothing", "/signin"):
        answer = await browser.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_what_another_site_sends_is_refused(served: Served, browser: Browser) -> None:
    await browser.get("/")
    other = await browser.post("/signout", {}, origin="https://evil.example")
    assert other.headers["location"] == "/"
    assert (await browser.get("/")).status == 200
    assert (await browser.post("/signout", {"csrf": "guessed"})).headers["location"] == "/"
    answer = await browser.post("/signin", {"token": TOKEN}, sec_fetch_site="cross-site")
    assert answer.status == 403


async def test_signing_out_ends_the_session(browser: Browser) -> None:
    cookies = dict(browser.cookies)
    assert (await browser.post("/signout", {})).headers["location"] == "/signin"
    browser.cookies = cookies
    assert (await browser.get("/")).status == 303


async def test_files_are_kept_by_browsers_for_as_long_as_they_do_not_change(browser: Browser) -> None:
    page = (await browser.get("/")).body.decode()
    address = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    answer = await browser.get(address)
    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]
    assert (await browser.get("/static/x/../portal.py")).status in (303, 404)
    assert (await browser.get("/static/x/nothing.css")).status == 404


async def test_what_is_not_there_has_a_page_that_says_so(browser: Browser) -> None:
    answer = await browser.get("/nothing/of/that/name")
    assert answer.status == 404
    assert "No page has the address /nothing/of/that/name." in answer.body.decode()


async def test_who_may_see_nothing_sees_nothing(served: Served) -> None:
    browser = Browser(served.portal)
    await browser.sign_in(served.token_of("stranger"))
    page = (await browser.get("/")).body.decode()
    assert "member1" not in page
    assert "stranger" in page


async def test_a_viewer_sees_the_fleet(served: Served) -> None:
    await served.admin.create(
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "viewers"},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": VIEWER},
            "subjects": [{"apiGroup": RBAC, "kind": "User", "name": "viewer"}],
        }
    )
    browser = Browser(served.portal)
    await browser.sign_in(served.token_of("viewer"))
    assert "member1" in (await browser.get("/")).body.decode()


async def test_a_token_that_is_taken_back_ends_the_session(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("echelon.portal.rights.REMEMBERED", 0.0)
    monkeypatch.setattr("echelon.portal.live.BREATH", 0.1)
    browser, token = Browser(served.portal), served.token_of("leaver")
    await browser.sign_in(token)
    page = (await browser.get("/")).body.decode()
    async with browser.stream(live_path(page)) as stream:
        served.fleets.own.hub._tokens.revoke(token)
        assert (await stream.event())["event"] == "leave"
    assert (await browser.get("/")).headers["location"] == "/signin"
