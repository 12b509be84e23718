"""Pages as text: whole, for a browser that asks for one, and as they are now, for its stream."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from echelon.portal import live, rendering
from echelon.portal.failures import Failure, failure_of
from echelon.portal.given import Given
from echelon.portal.page import Missing, Page, Shown, Visit
from echelon.portal.pages import NAVIGATION
from echelon.portal.pages.waiting import waiting_region
from echelon.portal.sessions import Session

LIVE = "/live"


def visit(given: Given, request: Request, session: Session) -> Visit:
    """Somebody's look at what a request leads to, now."""
    return Visit(
        user=session.user,
        given=given,
        now=given.clock.now(),
        names=request.path_params,
        query=dict(request.query_params),
    )


def whole(
    given: Given, request: Request, session: Session, page: Page | None, shown: Shown, status: int = HTTPStatus.OK
) -> Response:
    """A page for a browser; what is no page of its own (a failure, a form that was not taken) does not live."""
    regions = _regions(shown, session)
    stream, query = "", request.url.query
    if page is not None:
        seen = rendering.written(rendering.digests_of(regions))
        stream = f"{LIVE}{request.url.path}?{query}{'&' if query else ''}seen={seen}"
    notices, session.notices = session.notices, []
    text = rendering.render(
        shown.template,
        **_base(session, shown),
        base="base.html",
        regions=regions,
        section="" if page is None else page.section,
        navigation=NAVIGATION,
        user=session.user.name,
        fleet=given.fleet,
        notices=notices,
        stream=stream,
    )
    return HTMLResponse(text, status)


def snapshot(given: Given, request: Request, session: Session, page: Page) -> live.Snapshot:
    """A page as it is now, for its stream. What was deleted meanwhile is a page that says so."""
    try:
        shown = page.show(visit(given, request, session))
    except Missing as error:
        shown = failed(failure_of(error))
    regions = _regions(shown, session)

    def body() -> str:
        return rendering.render(shown.template, **_base(session, shown), base="body.html", regions=regions)

    return live.Snapshot(regions, body)


def failed(failure: Failure) -> Shown:
    """What is shown of something that went wrong."""
    return Shown(title=failure.title, template="failure.html", model=failure)


def _regions(shown: Shown, session: Session) -> rendering.Rendered:
    """The regions of a page, with those that every page has."""
    every = (waiting_region(session.user), *shown.regions)
    base = {"csrf": session.csrf}
    return {
        region.id: rendering.render(region.template, **base, region=region.id, model=region.model) for region in every
    }


def _base(session: Session, shown: Shown) -> Mapping[str, object]:
    return {"csrf": session.csrf, "title": shown.title, "model": shown.model}
