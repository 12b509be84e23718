"""What programs and servers of the user are asked, and what they answer: one JSON object each.

A question names a method of ``Provider`` and has what that needs::

    {"apiVersion": "providers.fleet.echelon.dev/v1", "method": "start",
     "member": {"name": "one", "clusterResourceId": "exec://talos/one"},
     "operation": {"controlPlaneVersion": "1.31.1", "nodeVersion": "1.31.1", "nodeImages": []}, "key": "…"}

An answer has the method's result, or an error::

    {"apiVersion": "providers.fleet.echelon.dev/v1", "result": {"handle": "…"}}
    {"apiVersion": "providers.fleet.echelon.dev/v1", "error": {"code": "Quota", "message": "…", "retryable": false}}

Fields that are added later have defaults, so both sides pass over what they do not know. A change that is none
of that kind gets another version. ``Unsupported`` is a good answer to all methods but ``observe``, ``start``
and ``poll``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeVar

import msgspec
from msgspec import Struct

from echelon.api.meta import parse_time
from echelon.upgrade.catalogue import Release
from echelon.upgrade.providers.contract import (
    Code,
    Finding,
    Member,
    NodePool,
    Observation,
    Operation,
    Progress,
    ProgressState,
    ProviderError,
    Severity,
)
from echelon.upgrade.versions import KubeVersion, NotAVersion

GROUP = "providers.fleet.echelon.dev/"
API_VERSION = GROUP + "v1"

Method = Literal["observe", "versions", "nodeImages", "preflight", "start", "poll", "abort"]
T = TypeVar("T")


class _Part(Struct, frozen=True, kw_only=True, rename="camel"):
    """A part of a question or an answer."""


class MemberPart(_Part, frozen=True, kw_only=True):
    """The cluster that is meant."""

    name: str
    cluster_resource_id: str


class OperationPart(_Part, frozen=True, kw_only=True):
    """What is to be done; null, or not named, stays."""

    control_plane_version: str | None = None
    node_version: str | None = None
    node_images: tuple[str, ...] = ()


class Question(_Part, frozen=True, kw_only=True, omit_defaults=True):
    """What is asked. Which fields there are depends on the method."""

    api_version: str
    method: Method
    member: MemberPart
    region: str = ""
    operation: OperationPart | None = None
    key: str = ""
    handle: str = ""


class ErrorPart(_Part, frozen=True, kw_only=True):
    """Why there is no result. Unknown codes are taken for ``Unknown``; ``retry_after`` is in seconds."""

    code: str = Code.UNKNOWN
    message: str
    retryable: bool = False
    retry_after: float | None = None


class Answer(_Part, frozen=True, kw_only=True):
    """What is answered: a result, or an error."""

    api_version: str
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: ErrorPart | None = None


# -- results ------------------------------------------------------------------------------------


class PoolPart(_Part, frozen=True, kw_only=True):
    name: str
    count: int
    kubernetes_version: str
    node_image: str = ""


class ObservationResult(_Part, frozen=True, kw_only=True):
    """Of ``observe``."""

    region: str = ""
    control_plane_version: str
    node_pools: tuple[PoolPart, ...] = ()
    running: bool = True
    long_term_support: bool = False
    busy: str = ""

    def value(self) -> Observation:
        pools = tuple(
            NodePool(
                name=pool.name,
                count=pool.count,
                kubernetes_version=pool.kubernetes_version,
                node_image=pool.node_image,
            )
            for pool in self.node_pools
        )
        return Observation(
            region=self.region,
            control_plane_version=self.control_plane_version,
            node_pools=pools,
            running=self.running,
            long_term_support=self.long_term_support,
            busy=self.busy,
        )


class VersionPart(_Part, frozen=True, kw_only=True):
    """One of the results of ``versions``."""

    version: str
    preview: bool = False
    long_term_support: bool = False
    end_of_support: datetime | None = None

    def value(self) -> Release:
        return Release(
            version=KubeVersion.parse(self.version),
            preview=self.preview,
            long_term_support=self.long_term_support,
            end_of_support=self.end_of_support,
        )


class FindingPart(_Part, frozen=True, kw_only=True):
    """One of the results of ``preflight``."""

    severity: Severity
    code: str = Code.UNKNOWN
    message: str
    retryable: bool = False
    not_before: str | None = None

    def value(self) -> Finding:
        return Finding(
            severity=self.severity,
            code=code_of(self.code),
            message=self.message,
            retryable=self.retryable,
            not_before=parse_time(self.not_before) if self.not_before else None,
        )


class StartResult(_Part, frozen=True, kw_only=True):
    """Of ``start``."""

    handle: str


class ProgressResult(_Part, frozen=True, kw_only=True):
    """Of ``poll``."""

    state: ProgressState
    message: str = ""
    code: str | None = None
    retryable: bool = False
    nodes_done: int = 0
    nodes_total: int = 0
    changed: str | None = None
    handle: str = ""

    def value(self) -> Progress:
        return Progress(
            state=self.state,
            message=self.message,
            code=None if self.code is None else code_of(self.code),
            retryable=self.retryable,
            nodes_done=self.nodes_done,
            nodes_total=self.nodes_total,
            changed=self.changed,
            handle=self.handle,
        )


class AbortResult(_Part, frozen=True, kw_only=True):
    """Of ``abort``."""

    called_off: bool


# -- both ways ----------------------------------------------------------------------------------


def question(
    method: Method,
    member: Member,
    *,
    region: str = "",
    operation: Operation | None = None,
    key: str = "",
    handle: str = "",
) -> Question:
    """A question about a member."""
    part = None
    if operation is not None:
        part = OperationPart(
            control_plane_version=operation.control_plane_version,
            node_version=operation.node_version,
            node_images=operation.node_images,
        )
    return Question(
        api_version=API_VERSION,
        method=method,
        member=MemberPart(name=member.name, cluster_resource_id=member.cluster_resource_id),
        region=region,
        operation=part,
        key=key,
        handle=handle,
    )


def read_answer(content: bytes, result: type[T], who: str) -> T:
    """The result in an answer; ``who`` gave it.

    Raises:
        ProviderError: the answer has an error, or is none of this protocol.
    """
    try:
        answer = msgspec.json.decode(content, type=Answer)
        if answer.api_version != API_VERSION:
            raise ProviderError(
                Code.UNSUPPORTED, f"{who} answers in version {answer.api_version!r}; want {API_VERSION}", retryable=True
            )
        if answer.error is not None:
            raise error_of(answer.error, who)
        return msgspec.json.decode(answer.result, type=result)
    except (msgspec.DecodeError, NotAVersion) as error:
        raise ProviderError(Code.UNKNOWN, f"{who} gave no answer of this protocol: {error}", retryable=True) from error


class _Versioned(Struct, rename="camel"):
    api_version: str = ""


def is_answer(content: bytes) -> bool:
    """Whether something is meant as an answer of this protocol, in any version."""
    try:
        version = msgspec.json.decode(content, type=_Versioned).api_version
    except msgspec.DecodeError:
        return False
    return version.startswith(GROUP)


def error_of(error: ErrorPart, who: str) -> ProviderError:
    """An error that was answered."""
    known = code_of(error.code)
    message = error.message if known == error.code else f"{error.code}: {error.message}"
    return ProviderError(known, f"{who}: {message}", retryable=error.retryable, retry_after=error.retry_after)


def code_of(text: str) -> Code:
    """A code by its name."""
    try:
        return Code(text)
    except ValueError:
        return Code.UNKNOWN
