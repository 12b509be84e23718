"""What the audit log says: who did what to which object, one line of JSON a write, refused ones included.

A line says who asked (and as whom), the verb and the object, and how it was answered. It never holds
a body, a query or a header other than the user agent and the request's id, so no secret gets into it.
Reviews, which write nothing, are left out; a token that is issued for a service account is not.
"""

from __future__ import annotations

import re
import time
import uuid
from datetime import datetime

import msgspec

from echelon.apiserver.access.audit_log import AuditLog
from echelon.apiserver.clock import Clock
from echelon.apiserver.request import Request, ResourcePath, parse_path, verb_of
from echelon.apiserver.responses import Answer

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_REVIEWS = frozenset({"authentication.k8s.io", "authorization.k8s.io"})
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LONGEST_AGENT = 256


class AuditEvent(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, gc=False):
    """A write and its outcome. ``user`` is who asked, ``impersonated_user`` as whom; empty when nobody knows (401)."""

    time: datetime
    request_id: str
    cluster: str
    user: str
    impersonated_user: str = ""
    verb: str
    group: str = ""
    resource: str
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    dry_run: bool = False
    code: int
    latency_seconds: float
    source: str = ""
    user_agent: str = ""


class Auditor:
    """Notes the writes of one server."""

    def __init__(self, audit_log: AuditLog, cluster: str, clock: Clock) -> None:
        """``cluster`` is the name of the server; several may share a log."""
        self._log = audit_log
        self._cluster = cluster
        self._clock = clock
        self._encode = msgspec.json.Encoder().encode

    @staticmethod
    def begin() -> float:
        """The moment a request came, for ``note``."""
        return time.perf_counter()

    def note(self, request: Request, answer: Answer, began: float) -> None:
        """Note a request that is about to be answered, if it is a write; the answer then bears its id."""
        if request.method in _READS:
            return
        path = parse_path(request.segments)
        if path is None or path.group in _REVIEWS:
            return
        event = self._event(request, path, answer, time.perf_counter() - began)
        answer.headers = [*answer.headers, (b"audit-id", event.request_id.encode())]
        self._log.write(self._encode(event))

    def _event(self, request: Request, path: ResourcePath, answer: Answer, seconds: float) -> AuditEvent:
        user = getattr(request, "user", None)  # without one when the credentials were refused
        name = "" if user is None else user.name
        acting = request.impersonator
        given = request.header(b"audit-id")
        client = request.scope.get("client")
        return AuditEvent(
            time=self._clock.now(),
            request_id=given if _ID.fullmatch(given) else str(uuid.uuid4()),
            cluster=self._cluster,
            user=name if acting is None else acting.name,
            impersonated_user="" if acting is None else name,
            verb=verb_of(request.method, path, request.query),
            group=path.group,
            resource=path.resource,
            subresource=path.subresource,
            namespace=path.namespace,
            name=path.name or name_in(answer.body),
            dry_run="dryRun" in request.query,
            code=answer.code,
            latency_seconds=round(seconds, 6),
            source=client[0] if client else "",
            user_agent=request.header(b"user-agent")[:_LONGEST_AGENT],
        )


class _Name(msgspec.Struct, gc=False):
    name: str = ""


class _Answered(msgspec.Struct, gc=False):
    """Where an answer names the object it is about: an object in its metadata, a Status in its details."""

    metadata: _Name = msgspec.field(default_factory=_Name)
    details: _Name = msgspec.field(default_factory=_Name)


_decode = msgspec.json.Decoder(_Answered).decode


def name_in(body: bytes) -> str:
    """The name of the object that an answer in JSON is about; empty when it does not say."""
    try:
        answered = _decode(body)
    except msgspec.MsgspecError:
        return ""
    return answered.metadata.name or answered.details.name
