"""What a page is: the kinds that it shows, what it makes of them, and what can be done from it.

A page is shown by a function from a ``Visit`` to a ``Shown``: a template for the body and *regions*, parts of it that
change by themselves. It reads nothing but the visit, so the same objects give the same text; moments are written as
they are, never as "3 minutes ago" (the browser does that). So the live stream of a page is no code of the page at all:
when a kind that it shows has changed, the page is shown again and the regions whose text differs are sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar
from urllib.parse import parse_qsl

from msgspec import Struct

from echelon.api.cluster import MemberCluster
from echelon.api.fleet import UpdateRun, UpdateStrategy
from echelon.api.meta import KubeObject
from echelon.api.upgrade import ClusterUpgrade, ReleaseCatalog
from echelon.kube.client import Client
from echelon.portal.given import FleetNow, Given
from echelon.portal.rights import Ask, to
from echelon.portal.users import User

K = TypeVar("K", bound=KubeObject)


class Missing(Exception):
    """There is nothing of a name; the message is a sentence for the user."""


class Visit(Struct, frozen=True, kw_only=True):
    """Somebody looks at a page: who, at what, and when."""

    user: User
    given: Given
    now: datetime
    names: Mapping[str, str] = {}
    query: Mapping[str, str] = {}

    @property
    def client(self) -> Client:
        """The user's client, for what is to be done."""
        return self.user.client

    def list(self, kind: type[K]) -> Sequence[K]:
        """All objects of a kind that the page shows; none if the user may not see them."""
        return self.user.list(kind)

    def get(self, kind: type[K], name: str, namespace: str = "") -> K:
        """An object of a kind that the page shows. Raises Missing."""
        found = self.user.get(kind, name, namespace)
        if found is None:
            where = f" in namespace {namespace}" if namespace else ""
            raise Missing(f"There is no {kind.resource.kind} {name}{where}.")
        return found

    def may(self, verb: str, kind: type[KubeObject], subresource: str = "", namespace: str = "") -> bool:
        """Whether the user may do something that the page asks about (``Page.asks``)."""
        return self.user.rights.may(to(verb, kind, subresource, namespace))

    def fleet(self) -> FleetNow:
        """What runs are planned against, on pages that show ``PLANNING``."""
        return FleetNow(
            members=self.list(MemberCluster),
            strategies=self.list(UpdateStrategy),
            catalogs=self.list(ReleaseCatalog),
            upgrades=self.list(ClusterUpgrade),
            runs=self.list(UpdateRun),
        )


class Region(Struct, frozen=True):
    """A part of a page that changes by itself. Its template has one root element, whose id is ``id``."""

    id: str
    template: str
    model: object


class Shown(Struct, frozen=True, kw_only=True):
    """A page as it is now. ``model`` is for what does not change by itself."""

    title: str
    template: str
    regions: Sequence[Region] = ()
    model: object = None


class Page(Struct, frozen=True, kw_only=True):
    """A page by its path. ``section`` is the entry of the navigation that it belongs to."""

    path: str
    section: str
    show: Callable[[Visit], Shown]
    shows: Sequence[type[KubeObject]] = ()
    asks: Sequence[Ask] = ()


# -- what can be done ---------------------------------------------------------------------------


class Form(Struct, frozen=True):
    """The fields of a form, in order; a field may be there several times."""

    fields: Sequence[tuple[str, str]]

    @classmethod
    def of(cls, body: bytes) -> Form:
        """Read a body of type ``application/x-www-form-urlencoded``. Raises ValueError."""
        return cls(tuple(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=5000)))

    def one(self, name: str) -> str:
        """The value of a field, without space around it; empty when it is not there."""
        return next((value.strip() for key, value in self.fields if key == name), "")

    def all(self, name: str) -> Sequence[str]:
        return [value.strip() for key, value in self.fields if key == name]

    def has(self, name: str) -> bool:
        return any(key == name for key, _ in self.fields)


class Done(Struct, frozen=True):
    """Something was done, which the page shows by itself; ``message`` says so."""

    message: str


class Leads(Struct, frozen=True):
    """Something was done, and its page is at ``path``."""

    path: str
    message: str = ""


class Refused(Exception):
    """What was asked for makes no sense now; each problem is a sentence for the user."""

    def __init__(self, problems: Iterable[object]) -> None:
        self.problems = tuple(map(str, problems))
        super().__init__("; ".join(self.problems))


class Part(Struct, frozen=True):
    """A piece of a page that somebody asked for by changing a form, as the plan of a run."""

    template: str
    model: object


class Again(Struct, frozen=True):
    """The form was not taken: the page again, with what was filled in and what is wrong."""

    shown: Shown


Outcome = Done | Leads | Part | Again


class Action(Struct, frozen=True, kw_only=True):
    """What a form does, by its path. The hub judges whether the user may; ``shows`` are kinds that it looks at."""

    path: str
    act: Callable[[Visit, Form], Awaitable[Outcome]]
    shows: Sequence[type[KubeObject]] = ()
    asks: Sequence[Ask] = ()


# -- kinds that go together ---------------------------------------------------------------------

PLANNING: Sequence[type[KubeObject]] = (MemberCluster, UpdateStrategy, ReleaseCatalog, ClusterUpgrade, UpdateRun)
"""The kinds by which a run is planned."""
