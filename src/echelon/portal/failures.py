"""What can go wrong while a page is shown or an action done, as somebody who looks at it is told."""

from __future__ import annotations

from echelon.kube.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    TooManyRequests,
    Unreachable,
)
from echelon.portal.page import Missing
from echelon.portal.users import HubIsSlow


class Failure(Exception):
    """A page that says what is wrong. ``is_ours``: it is a fault of the portal, which its log explains."""

    def __init__(self, status: int, title: str, message: str, *, is_ours: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.title = title
        self.message = message
        self.is_ours = is_ours


def failure_of(error: Exception) -> Failure:
    """What to tell of an error."""
    match error:
        case Failure():
            return error
        case Missing():
            return Failure(404, "There is no such thing", str(error))
        case HubIsSlow() | Unreachable() | TooManyRequests():
            return Failure(503, "The hub does not answer", str(error))
        case Forbidden():
            return Failure(403, "You may not do this", f"The hub refused it: {error.message}")
        case NotFound():
            return Failure(404, "There is no such thing", f"The hub says: {error.message}")
        case AlreadyExists():
            return Failure(409, "There is one of this name", f"The hub says: {error.message}")
        case Conflict():
            return Failure(409, "Somebody else was quicker", f"The hub says: {error.message}")
        case Invalid():
            return Failure(422, "The hub did not take this", error.message)
        case ApiError():
            return Failure(502, "The hub could not do this", error.message)
        case _:
            return Failure(500, "This page failed", "The log of the hub says why.", is_ours=True)
