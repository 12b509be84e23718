"""What keeps other sites out: the headers of every answer, and what is looked at before anything is changed."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.requests import Request

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def comes_from_here(request: Request) -> bool:
    """Whether a request that changes something was made by one of our own pages.

    Browsers say so by ``Sec-Fetch-Site``, and by ``Origin``, which has to be the host that they asked. A client that
    says neither is no browser, and nobody's cookie can be borrowed by way of it.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def is_told_by_htmx(request: Request) -> bool:
    """Whether the answer is put into a page that stays."""
    return request.headers.get("hx-request") == "true"


def next_of(path: str) -> str:
    """A path of this site to go to: what a form or an address names, if it is one."""
    parts = urlsplit(path)
    inside = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.netloc and not parts.scheme
    return path if inside and "\\" not in path and path.isprintable() else "/"
