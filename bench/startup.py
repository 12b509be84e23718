"""How long ``echelon up`` takes until a client can use it, on fresh data and on data that is there."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.figures import Figure, emit, spread

ROUNDS = 5
_MEMBERS = ["--member", "member1:environment=canary", "--member", "member2", "--member", "member3"]


def time_to_ready(data: Path) -> float:
    """Seconds from the start of the command to its word that the hub is ready."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "echelon", "up", "--data", str(data), "--port", "0", *_MEMBERS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.perf_counter() - began
        process.send_signal(signal.SIGINT)
        process.stdout.read()
    if "ready" not in line:
        raise RuntimeError(f"echelon up did not get ready; it said {line!r}")
    return seconds


def main() -> None:
    fresh, again = [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "data"
            fresh.append(time_to_ready(data))
            again.append(time_to_ready(data))
    emit(
        [
            Figure("time to ready, three members, fresh data", sorted(fresh)[ROUNDS // 2], "s", 3.0, spread(fresh, 2)),
            Figure("time to ready, same data again", sorted(again)[ROUNDS // 2], "s", 3.0, spread(again, 2)),
        ]
    )


if __name__ == "__main__":
    main()
