"""Paths about the server itself: version and health."""

from __future__ import annotations

import platform
import re
from collections.abc import Awaitable, Callable, Mapping

import orjson
import structlog

from echelon.apiserver.errors import StatusError
from echelon.apiserver.responses import Answer, page_not_found, text_answer
from echelon.apiserver.storage import StorageError

log = structlog.get_logger(__name__)

_BUILD_DATE = "2026-01-01T00:00:00Z"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_HEALTH = ("livez", "readyz", "healthz")


class System:
    """Answers ``/version``, ``/metrics``, ``/livez``, ``/readyz`` and ``/healthz``.

    ``git_version`` is asked at each request: the version of a server may change while it is served.
    ``checks`` raise what keeps the server from being ready, by name. A server that is not ready is
    alive nevertheless: to start it again would not help.
    """

    def __init__(
        self,
        git_version: Callable[[], str],
        checks: Mapping[str, Callable[[], Awaitable[None]]],
        metrics: Callable[[], Awaitable[Answer]],
    ) -> None:
        _version(git_version())  # a version that cannot be served is refused here, not at a request
        self._git_version = git_version
        self._checks = checks
        self._metrics = metrics

    async def answer(self, segments: list[str], query: Mapping[str, str]) -> Answer:
        if segments == ["version"]:
            return Answer(200, orjson.dumps(_version(self._git_version()), option=orjson.OPT_INDENT_2))
        if segments == ["metrics"]:
            return await self._metrics()
        if segments[0] in _HEALTH and len(segments) <= 2:
            return await self._health(segments, verbose="verbose" in query)
        return page_not_found()

    async def _health(self, segments: list[str], *, verbose: bool) -> Answer:
        path = segments[0]
        names = ["ping", *(self._checks if path != "livez" else ())]
        if len(segments) == 2:
            if segments[1] not in names:
                return page_not_found()
            names = [segments[1]]
        passed = {name: await self._passes(name) for name in names}
        healthy = all(passed.values())
        if healthy and not verbose:
            return text_answer("ok")
        lines = [f"[+]{name} ok" if ok else f"[-]{name} failed: reason withheld" for name, ok in passed.items()]
        lines.append(f"{path} check {'passed' if healthy else 'failed'}")
        return text_answer("\n".join(lines) + "\n", 200 if healthy else 500)

    async def _passes(self, name: str) -> bool:
        check = self._checks.get(name)
        if check is None:
            return True
        try:
            await check()
        except (StatusError, StorageError) as error:
            log.warning("not ready", check=name, error=str(error))
            return False
        return True


def _version(git_version: str) -> dict[str, str]:
    match = re.match(r"v(\d+)\.(\d+)", git_version)
    if match is None:
        raise ValueError(f"{git_version!r} is not a Kubernetes version; want for example v1.33.0")
    machine = platform.machine()
    return {
        "major": match[1],
        "minor": match[2],
        "gitVersion": git_version,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": _BUILD_DATE,
        "goVersion": "",
        "compiler": platform.python_implementation().lower(),
        "platform": f"{platform.system().lower()}/{_ARCHITECTURES.get(machine, machine)}",
    }
