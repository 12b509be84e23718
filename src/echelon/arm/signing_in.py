"""The requests by which clients sign in (see ``identity``)."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from echelon.api.meta import Clock
from echelon.arm import identity
from echelon.arm.around import Answering, Question
from echelon.arm.call import Reply
from echelon.arm.directory import Directory
from echelon.arm.identity import Codes, Refused
from echelon.arm.router import Route
from echelon.arm.surroundings import TENANT
from echelon.kube.errors import ApiError

AUTHORITIES = (TENANT, "common", "organizations", "adfs")
_REVIEW: Mapping[str, Any] = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Sign in to Echelon</title></head>
<body><main><h1>Sign in to Echelon</h1>{message}
<form method="post" action="/device">
<p><label>Code <input name="code" value="{code}" autocomplete="off" autofocus required></label></p>
<p><label>Token of the hub <input name="token" type="password" autocomplete="off" required></label></p>
<p><button>Sign in</button></p></form>
<p>The code is what the other device shows. A token is made by <code>kubectl create token ACCOUNT</code>.</p>
</main></body></html>
"""
_PAGE_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class SigningIn:
    """Signs in whoever has a token of the hub that makes others."""

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._codes = Codes(clock)

    def routes(self) -> list[Route[Answering]]:
        routes: list[Route[Answering]] = [
            Route("GET", "/common/discovery/instance", self.instance),
            Route("GET", "/device", self.page),
            Route("POST", "/device", self.confirm),
        ]
        for tenant in AUTHORITIES:
            routes += [
                Route("GET", f"/{tenant}/v2.0/.well-known/openid-configuration", self.configuration),
                Route("GET", f"/{tenant}/.well-known/openid-configuration", self.configuration),
                Route("GET", f"/{tenant}/discovery/v2.0/keys", self.keys),
                Route("POST", f"/{tenant}/oauth2/v2.0/token", self.token),
                Route("POST", f"/{tenant}/oauth2/token", self.token),
                Route("POST", f"/{tenant}/oauth2/v2.0/devicecode", self.device_code),
                Route("POST", f"/{tenant}/oauth2/devicecode", self.device_code),
            ]
        return routes

    async def configuration(self, question: Question) -> Reply:
        tenant = question.request.url.path.split("/")[1].lower()
        return Reply(body=identity.configuration(question.base, tenant))

    async def instance(self, question: Question) -> Reply:
        return Reply(body=identity.instance(question.base, TENANT))

    async def keys(self, question: Question) -> Reply:
        """Nothing is signed here."""
        return Reply(body={"keys": []})

    async def device_code(self, question: Question) -> Reply:
        try:
            code, typed = self._codes.begin(_form(question).get("client_id", ""))
        except Refused as error:
            return Reply(status=error.status, body=error.body())
        address = f"{question.base}/device"
        body = {
            "device_code": code,
            "user_code": typed,
            "verification_uri": address,
            "verification_uri_complete": f"{address}?code={typed}",
            "expires_in": identity.CODE_SECONDS,
            "interval": identity.POLL_SECONDS,
            "message": f"To sign in, open {address} in a browser and enter the code {typed}.",
        }
        return Reply(body=body, headers={"Cache-Control": "no-store"})

    async def token(self, question: Question) -> Reply:
        form = _form(question)
        try:
            body = await self._granted(form, question.base)
        except Refused as error:
            return Reply(status=error.status, body=error.body())
        return Reply(body=body, headers={"Cache-Control": "no-store"})

    async def _granted(self, form: Mapping[str, str], base: str) -> Mapping[str, object]:
        now, scope, client_id = self._clock.now(), form.get("scope", ""), form.get("client_id", "")
        match form.get("grant_type"):
            case "client_credentials":
                token = form.get("client_secret", "")
                user = await self._user(token, "invalid_client", 401)
                if not identity.is_named(client_id, user):
                    raise Refused("invalid_client", f"the secret is not that of {client_id!r}", 401)
                return identity.granted(token, now)
            case "urn:ietf:params:oauth:grant-type:device_code" | "device_code":
                token, user, _ = self._codes.take(form.get("device_code") or form.get("code", ""))
                return identity.signed_in(token, user, client_id, scope, base, now)
            case "refresh_token":
                token = form.get("refresh_token", "")
                user = await self._user(token, "invalid_grant", 400)
                return identity.signed_in(token, user, client_id, scope, base, now)
            case other:
                accepted = "client_credentials, device_code and refresh_token"
                raise Refused("unsupported_grant_type", f"{other!r} is not accepted; accepted are {accepted}")

    async def page(self, question: Question) -> Reply:
        return _page(code=question.request.query_params.get("code", ""))

    async def confirm(self, question: Question) -> Reply:
        form = _form(question)
        try:
            user = await self._user(form.get("token", ""), "invalid_grant", 403)
        except Refused:
            return _page("The hub does not know this token.", form.get("code", ""), 403)
        if not self._codes.confirm(form.get("code", ""), form["token"], user):
            return _page("There is no such code, or it has expired.", status=404)
        return _page(f"{user} is signed in. This page can be closed.")

    async def _user(self, token: str, error: str, status: int) -> str:
        """Whose token this is. Raises Refused."""
        if not token.strip() or not token.isascii() or not token.isprintable():
            raise Refused(error, "there is no token of the hub", status)
        async with self._directory.connect(self._directory.own(), token) as client:
            try:
                review: dict[str, Any] = await client.create(dict(_REVIEW))
            except ApiError as refused:
                if refused.code != 401:
                    raise Refused("temporarily_unavailable", refused.message, 503) from refused
                raise Refused(error, "the hub does not know this token", status) from refused
        name: str = review["status"]["userInfo"]["username"]
        return name


def _form(question: Question) -> Mapping[str, str]:
    body = question.body
    if not isinstance(body, bytes):
        return {}
    return dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=50))


def _page(message: str = "", code: str = "", status: int = 200) -> Reply:
    said = f"<p role='status'>{html.escape(message)}</p>" if message else ""
    return Reply(
        status=status,
        body=_PAGE.format(message=said, code=html.escape(code, quote=True)).encode(),
        headers=_PAGE_HEADERS,
    )
