"""``echelon up`` in a process of its own, and how long it takes to come to rest."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bench.served import Process

RESTING = 0.15  # of a core: below this, a hub is at rest
_LOOK = 1.0
_QUIET = 3


class Hub(msgspec.Struct, frozen=True):
    """A running hub: when it was started, and how long it took to say that it is ready."""

    process: Process
    began: float
    ready: float


@contextmanager
def hub(data: Path, members: Sequence[str]) -> Iterator[Hub]:
    """A hub over a folder with these members, until it is ended."""
    command = [sys.executable, "-m", "echelon", "up", "--data", str(data), "--port", "0"]
    for member in members:
        command += ["--member", member]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Ctrl-C"):
                break
        yield Hub(Process(process.pid, 0, 0.0, None), began, time.perf_counter() - began)
        process.terminate()
        process.stdout.read()


def seconds_to_rest(started: Hub) -> float:
    """Seconds from the start of a hub until it has hardly used the processor for a few seconds, without these."""
    quiet, before = 0, started.process.cpu()
    while quiet < _QUIET:
        time.sleep(_LOOK)
        now = started.process.cpu()
        quiet = quiet + 1 if now - before < RESTING * _LOOK else 0
        before = now
    return time.perf_counter() - started.began - _QUIET * _LOOK
