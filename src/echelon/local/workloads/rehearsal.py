"""What a user wants a simulated workload to do, read off annotations. Pure.

``ready-after`` is how long a pod takes until it is ready, or, of a Job, done: ``2s``, ``500ms``,
``1m30s``. ``fail`` keeps pods from being ready: ``true``, a reason in one word as a kubelet gives it
(ImagePullBackOff), or any sentence, which becomes the message. Both stand on a pod, which has them
from its template, or on the workload, which hands them down to the pods of its newest version. The
pod's own come first.

An image from a registry under the domain ``.invalid``, where nothing can ever be, cannot be pulled.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache

import msgspec
import structlog

from echelon.placement.durations import parse_duration

PREFIX = "simulation.fleet.echelon.dev/"
READY_AFTER = PREFIX + "ready-after"
FAIL = PREFIX + "fail"

DEFAULT_READY_AFTER = 1.0
"""Seconds; long enough to be seen, short enough not to be waited for."""

_CRASH = "CrashLoopBackOff"
_MILLISECONDS = re.compile(r"(\d{1,9})ms")
_REASON = re.compile(r"[A-Z][A-Za-z]+")
_WISHES_NOT_TO = ("", "false")

log = structlog.get_logger(__name__)


class Failure(msgspec.Struct, frozen=True):
    """Why a container waits for ever. ``crashed``: it was started, as opposed to never getting that far."""

    reason: str
    message: str

    @property
    def crashed(self) -> bool:
        return self.reason == _CRASH


class Rehearsal(msgspec.Struct, frozen=True):
    """How a pod behaves: ready after so many seconds, or never."""

    ready_after: float
    failure: Failure | None


def rehearsal_of(annotations: Mapping[str, str], images: Iterable[str]) -> Rehearsal:
    """How a pod with these annotations, its own before those handed down, and these images behaves."""
    return Rehearsal(_ready_after(annotations.get(READY_AFTER)), _failure(annotations.get(FAIL, ""), images))


@cache
def _ready_after(text: str | None) -> float:
    """Seconds; what cannot be read is complained of once."""
    if text is None:
        return DEFAULT_READY_AFTER
    milliseconds = _MILLISECONDS.fullmatch(text)
    try:
        return int(milliseconds[1]) / 1000 if milliseconds else parse_duration(text).total_seconds()
    except ValueError as error:
        log.warning("annotation is passed over", annotation=READY_AFTER, error=str(error))
        return DEFAULT_READY_AFTER


def _failure(wish: str, images: Iterable[str]) -> Failure | None:
    if wish in _WISHES_NOT_TO:
        return _pull_failure(images)
    if wish == "true":
        return Failure(_CRASH, "the simulation was told to fail")
    if _REASON.fullmatch(wish):
        return Failure(wish, "the simulation was told to fail")
    return Failure(_CRASH, wish)


def _pull_failure(images: Iterable[str]) -> Failure | None:
    for image in images:
        host = image.partition("/")[0].partition(":")[0]
        if host.endswith(".invalid"):
            return Failure("ImagePullBackOff", f'Back-off pulling image "{image}"')
    return None
