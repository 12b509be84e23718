"""The portal as an ASGI application: who may come in, which page it is, and what is answered when something fails.

A request goes through: is the path one of ours, is it a file, is somebody signed in (else to the sign-in page), and for
what changes something: does it come from our own page (``Origin``) and bear the session's token. Then the page is
shown, or the action done, with the user's client. What the hub refuses is told in its words, on a page of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from http import HTTPStatus

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from echelon.kube.errors import ApiError, Unauthorized
from echelon.portal import assets, live, rendering, showing
from echelon.portal.failures import Failure, failure_of
from echelon.portal.given import Given
from echelon.portal.guard import HEADERS, comes_from_here, is_told_by_htmx, next_of
from echelon.portal.page import Action, Again, Done, Form, Leads, Outcome, Page, Part, Refused
from echelon.portal.pages import ACTIONS, PAGES
from echelon.portal.pages.waiting import WAITING
from echelon.portal.sessions import COOKIE, Session, Sessions
from echelon.portal.signing_in import SigningIn
from echelon.portal.users import HubIsSlow, Listener, Users

MAX_FORM = 1 << 20
Answer = Callable[[Request, Session], Awaitable[Response]]

log = structlog.get_logger(__name__)


class Portal:
    """The pages of one hub. ``close`` it before the hub."""

    def __init__(self, given: Given) -> None:
        self._given = given
        self._users = Users(given.connect)
        self._sessions = Sessions(self._users, given.clock)
        self._listeners: set[Listener] = set()
        self._closing = False
        signing_in = SigningIn(self._sessions, given)
        self._open = [
            Route(f"{assets.PREFIX}{{hash}}/{{name}}", assets.asset),
            Route("/signin", signing_in.page, methods=["GET"]),
            Route("/signin", signing_in.enter, methods=["POST"]),
            Route("/signout", signing_in.leave, methods=["POST"]),
        ]
        self._guarded: list[tuple[Route, Answer]] = []
        for page in PAGES:
            self._add(page.path, "GET", self._page(page))
            self._add(f"{showing.LIVE}{page.path}", "GET", self._live(page))
        for action in ACTIONS:
            self._add(action.path, "POST", self._action(action))
        self._first = {"", "live", "static", "signin", "signout"}
        self._first |= {route.path.split("/")[1] for route, _ in self._guarded}

    def _add(self, path: str, method: str, answer: Answer) -> None:
        self._guarded.append((Route(path, _nowhere, methods=[method]), answer))

    def serves(self, path: str) -> bool:
        """Whether a path is the portal's, whatever comes of it."""
        return path.startswith("/") and path.split("/", 2)[1] in self._first

    def link(self, token: str) -> str:
        """The path of a link that signs in once, with a token."""
        return f"/signin?link={self._sessions.link(token)}"

    def end_streams(self) -> None:
        """End the event streams, so that their connections can be closed."""
        self._closing = True
        for listener in self._listeners:
            listener.changed.set()

    async def close(self) -> None:
        """Sign everybody out and close their clients."""
        self.end_streams()
        await self._users.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        for route in self._open:
            match, found = route.matches(request.scope)
            if match is Match.FULL:
                request.scope.update(found)
                answered: Response = await route.endpoint(request)
                return answered
        session = await self._sessions.find(request.cookies.get(COOKIE, ""))
        if session is None:
            return _to_sign_in(request)
        try:
            return await self._inside(request, session)
        except Unauthorized:
            await self._sessions.refuse(session)
            return _to_sign_in(request)
        except Exception as error:
            failure = failure_of(error)
            if failure.is_ours:
                log.exception("a page failed", method=request.method, path=request.url.path)
            return self._failed(request, session, failure)

    async def _inside(self, request: Request, session: Session) -> Response:
        allowed = []
        for route, answer in self._guarded:
            match, found = route.matches(request.scope)
            if match is Match.FULL:
                request.scope.update(found)
                with session.user.present():
                    return await answer(request, session)
            if match is Match.PARTIAL:
                allowed += sorted(route.methods or ())
        if allowed:
            raise Failure(405, "This cannot be done here", f"{request.method} is not allowed; {', '.join(allowed)} is.")
        raise Failure(404, "There is nothing here", f"No page has the address {request.url.path}.")

    # Pages

    def _page(self, page: Page) -> Answer:
        async def answer(request: Request, session: Session) -> Response:
            await self._prepare(page, session)
            shown = page.show(showing.visit(self._given, request, session))
            return showing.whole(self._given, request, session, page, shown)

        return answer

    async def _prepare(self, page: Page | Action, session: Session) -> None:
        await session.user.watch([*page.shows, *WAITING])
        await session.user.rights.learn(page.asks)

    # Streams

    def _live(self, page: Page) -> Answer:
        async def answer(request: Request, session: Session) -> Response:
            seen = request.headers.get("last-event-id") or request.query_params.get("seen", "")
            headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
            events = self._events(page, request, session, seen)
            return StreamingResponse(events, media_type="text/event-stream", headers=headers)

        return answer

    async def _events(self, page: Page, request: Request, session: Session, seen: str) -> AsyncIterator[bytes]:
        """The stream of a page, until the session, the hub or the browser ends it."""

        def show() -> live.Snapshot | bytes:
            if self._closing:
                return b": bye\n\n"
            if not self._sessions.touch(session):
                return live.LEAVE
            return showing.snapshot(self._given, request, session, page)

        async def prepare() -> None:
            if not self._closing:
                await self._prepare(page, session)

        with session.user.listening([*page.shows, *WAITING]) as listener:
            self._listeners.add(listener)
            try:
                async for event in live.stream(show, listener, seen, prepare):
                    yield event
            except Unauthorized:
                await self._sessions.refuse(session)
                yield live.LEAVE
            except (ApiError, HubIsSlow) as error:  # the browser comes back by itself
                log.warning("a stream broke off", page=request.url.path, error=str(error))
            finally:
                self._listeners.discard(listener)

    # Actions

    def _action(self, action: Action) -> Answer:
        async def answer(request: Request, session: Session) -> Response:
            form = await _form(request)
            if not comes_from_here(request) or form.one("csrf") != session.csrf:
                raise Failure(
                    403, "This did not come from here", "The form was not one of this page, or it is too old."
                )
            await self._prepare(action, session)
            try:
                outcome = await action.act(showing.visit(self._given, request, session), form)
            except Refused as refusal:
                return self._refused(request, session, form, refusal)
            return self._outcome(request, session, form, outcome)

        return answer

    def _outcome(self, request: Request, session: Session, form: Form, outcome: Outcome) -> Response:
        match outcome:
            case Done(message):
                if is_told_by_htmx(request):
                    return self._notice(session, "good", (message,))
                session.notices.append(("good", message))
                return RedirectResponse(next_of(form.one("back")), HTTPStatus.SEE_OTHER)
            case Leads(path, message):
                if message:
                    session.notices.append(("good", message))
                if is_told_by_htmx(request):
                    return Response(headers={"HX-Redirect": path})
                return RedirectResponse(path, HTTPStatus.SEE_OTHER)
            case Part(template, model):
                return HTMLResponse(rendering.render(template, csrf=session.csrf, model=model))
            case Again(shown):
                return showing.whole(self._given, request, session, None, shown, HTTPStatus.UNPROCESSABLE_ENTITY)

    def _refused(self, request: Request, session: Session, form: Form, refusal: Refused) -> Response:
        if is_told_by_htmx(request):
            return self._notice(session, "bad", refusal.problems)
        session.notices += [("bad", problem) for problem in refusal.problems]
        return RedirectResponse(next_of(form.one("back")), HTTPStatus.SEE_OTHER)

    def _notice(self, session: Session, tone: str, messages: Sequence[str]) -> Response:
        notices = [(tone, message) for message in messages]
        return HTMLResponse(rendering.render("notices.html", notices=notices))

    # What fails

    def _failed(self, request: Request, session: Session, failure: Failure) -> Response:
        if is_told_by_htmx(request):
            return self._notice(session, "bad", (failure.message,))
        return showing.whole(self._given, request, session, None, showing.failed(failure), failure.status)


async def _nowhere(request: Request) -> Response:
    raise AssertionError("answered by the portal itself")


async def _form(request: Request) -> Form:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            raise Failure(413, "This is too much", f"A form may have {MAX_FORM} bytes.")
    try:
        return Form.of(body)
    except ValueError as error:
        raise Failure(400, "The form cannot be read", str(error)) from error


def _to_sign_in(request: Request) -> Response:
    """Send a browser to the sign-in page, and back afterwards; a script is told, as it cannot go."""
    path = request.url.path
    if path.startswith(showing.LIVE + "/"):
        return Response(live.LEAVE, media_type="text/event-stream")
    if is_told_by_htmx(request):
        return Response(headers={"HX-Redirect": "/signin"})
    again = f"?next={request.url.path}" if request.method == "GET" and path != "/" else ""
    return RedirectResponse(f"/signin{again}", HTTPStatus.SEE_OTHER)
