"""Signing in and out: with a token of the hub, or by the link that ``echelon up`` prints.

To open a link changes nothing: what it shows is a form that signs in, which the page's script sends at once. So
programs that look at links do not use them up.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from echelon.kube.errors import ApiError, Unauthorized
from echelon.portal import rendering
from echelon.portal.given import Given
from echelon.portal.guard import comes_from_here, next_of
from echelon.portal.sessions import COOKIE, Sessions

_MAX_BODY = 1 << 16
_USED = "This link was used before, or is too old. Sign in with a token, or start the hub again for a new link."


class SigningIn:
    """The pages for those who are not signed in."""

    def __init__(self, sessions: Sessions, given: Given) -> None:
        self._sessions = sessions
        self._given = given

    async def page(self, request: Request) -> Response:
        """The form; with a link, one that signs in by itself."""
        session = await self._sessions.find(request.cookies.get(COOKIE, ""))
        if session is not None and "link" not in request.query_params:
            return RedirectResponse("/", HTTPStatus.SEE_OTHER)
        return self._form(link=request.query_params.get("link", ""), next_=request.query_params.get("next", ""))

    async def enter(self, request: Request) -> Response:
        """Begin a session."""
        form = await _fields(request)
        next_ = form.get("next", "")
        if not comes_from_here(request):
            return self._form(problem="This form was sent by another site; sign in here.", status=403)
        token: str | None = form.get("token", "")
        if "link" in form:
            token = self._sessions.take(form["link"])
            if token is None:
                return self._form(problem=_USED, status=401)
        if not token:
            return self._form(problem="Enter a token of the hub.", next_=next_, status=422)
        try:
            cookie, _ = await self._sessions.begin(token)
        except Unauthorized:
            return self._form(problem="The hub does not know this token, or it has ended.", next_=next_, status=401)
        except ApiError as error:
            return self._form(problem=f"The hub does not answer: {error.message}", next_=next_, status=503)
        response = RedirectResponse(next_of(next_ or "/"), HTTPStatus.SEE_OTHER)
        response.set_cookie(COOKIE, cookie, path="/", secure=True, httponly=True, samesite="strict")
        return response

    async def leave(self, request: Request) -> Response:
        """End the session that the form belongs to."""
        cookie = request.cookies.get(COOKIE, "")
        session, form = await self._sessions.find(cookie), await _fields(request)
        if session is not None and (not comes_from_here(request) or form.get("csrf") != session.csrf):
            return RedirectResponse("/", HTTPStatus.SEE_OTHER)
        await self._sessions.end(cookie)
        response = RedirectResponse("/signin", HTTPStatus.SEE_OTHER)
        response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
        return response

    def _form(self, *, link: str = "", next_: str = "", problem: str = "", status: int = 200) -> Response:
        text = rendering.render(
            "signin.html",
            link=link,
            next=next_of(next_) if next_ else "",
            problem=problem,
            fleet=self._given.fleet,
            hint=self._given.token_hint,
        )
        return HTMLResponse(text, status)


async def _fields(request: Request) -> Mapping[str, str]:
    """The fields of a form; none of one that is larger than these forms are."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            return {}
    return {name: values[0].strip() for name, values in parse_qs(body.decode(errors="replace")).items()}
