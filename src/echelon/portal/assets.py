"""The files that pages refer to, each under an address that changes with its content.

So a browser keeps a file for ever, and has the new one as soon as a page refers to it. Scripts and styles come from
here only: pages have none of their own in them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

_TYPES: Mapping[str, str] = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}
PREFIX = "/static/"


@cache
def content(name: str) -> bytes | None:
    """A file by its name, or None."""
    found = files(__package__).joinpath("static", name)
    known = "/" not in name and name.rpartition(".")[2] in _TYPES
    return found.read_bytes() if known and found.is_file() else None


@cache
def address(name: str) -> str:
    """Where a file is served."""
    data = content(name)
    assert data is not None, name
    return f"{PREFIX}{hashlib.sha256(data).hexdigest()[:12]}/{name}"


async def asset(request: Request) -> Response:
    """Serve a file. An address with another content's hash is that of an older page, and gets what there is now."""
    name = request.path_params["name"]
    data = content(name)
    if data is None:
        return PlainTextResponse("there is no such file\n", 404)
    current = request.url.path.endswith(address(name))
    headers = {"Cache-Control": "public, max-age=31536000, immutable" if current else "no-cache"}
    return Response(data, media_type=_TYPES[name.rpartition(".")[2]], headers=headers)
