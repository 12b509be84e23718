"""What a request says: who asks, in which body, and where it came in."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request

from echelon.arm.errors import ArmError
from echelon.arm.surroundings import TENANT

MAX_BODY = 1 << 20
_BEARER = "bearer "


def bearer(request: Request) -> str:
    """The token that a request shows.

    Raises:
        ArmError: 401, it shows none.
    """
    value = request.headers.get("authorization", "")
    if not value.lower().startswith(_BEARER) or not value[len(_BEARER) :].strip():
        base = base_of(request)
        challenge = f'Bearer authorization_uri="{base}/{TENANT}", resource="{base}"'
        message = "Authentication failed. The 'Authorization' header is missing or holds no bearer token."
        raise ArmError(401, "AuthenticationFailed", message, headers={"WWW-Authenticate": challenge})
    return value[len(_BEARER) :].strip()


async def body_of(request: Request) -> Any:
    """The body as JSON; None when it is empty."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_BODY:
            message = f"The body is larger than {MAX_BODY} bytes, which is the most that is accepted."
            raise ArmError(413, "RequestEntityTooLarge", message)
    if not content.strip():
        return None
    if "json" not in request.headers.get("content-type", "json").lower():
        return bytes(content)
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        message = f"The body is not JSON: {error}"
        raise ArmError(400, "InvalidRequestContent", message) from error


def base_of(request: Request) -> str:
    """Where the client reaches us, by its own words."""
    return f"{request.url.scheme}://{request.url.netloc}"
