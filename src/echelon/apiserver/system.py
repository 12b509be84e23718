"""Paths about the server itself: version and health."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Mapping

import orjson

from echelon.apiserver.responses import Answer, page_not_found, text_answer

_BUILD_DATE = "2026-01-01T00:00:00Z"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_HEALTH = ("livez", "readyz", "healthz")


class System:
    """Answers ``/version``, ``/livez``, ``/readyz`` and ``/healthz``.

    ``git_version`` is asked at each request: the version of a server may change while it is served.
    """

    def __init__(self, git_version: Callable[[], str], ready: Callable[[], bool]) -> None:
        _version(git_version())  # a version that cannot be served is refused here, not at a request
        self._git_version = git_version
        self._ready = ready

    def answer(self, segments: list[str], query: Mapping[str, str]) -> Answer:
        if segments == ["version"]:
            return Answer(200, orjson.dumps(_version(self._git_version()), option=orjson.OPT_INDENT_2))
        if segments[0] in _HEALTH and len(segments) <= 2:
            return self._health(segments, verbose="verbose" in query)
        return page_not_found()

    def _health(self, segments: list[str], *, verbose: bool) -> Answer:
        checks = {"ping": True, "storage": True, "lifecycle": self._ready()}
        path = segments[0]
        if path == "livez":
            del checks["lifecycle"]
        if len(segments) == 2:
            if segments[1] not in checks:
                return page_not_found()
            checks = {segments[1]: checks[segments[1]]}
        healthy = all(checks.values())
        if healthy and not verbose:
            return text_answer("ok")
        lines = [f"[+]{name} ok" if passed else f"[-]{name} failed" for name, passed in checks.items()]
        lines.append(f"{path} check {'passed' if healthy else 'failed'}")
        return text_answer("\n".join(lines) + "\n", 200 if healthy else 500)


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
