"""``echelon up`` as a user runs it: a process of its own, on a port that it keeps when it is started again."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

READY = "Ctrl-C"  # begins the last line of the greeting
PATIENCE = 60.0  # seconds to start, or to end after a signal, on a busy machine


class HubProcess:
    """A hub over a folder. ``output`` is what it printed since it was started last."""

    def __init__(self, data: Path, *options: str) -> None:
        self.data = data
        self.port = 0
        self.output = ""
        self._options = options
        self._process: subprocess.Popen[str] | None = None

    @property
    def kubeconfig(self) -> Path:
        return self.data / "kubeconfig"

    def start(self, *options: str) -> None:
        """Start it; returns once it greets. Fails when it ends instead."""
        command = [sys.executable, "-W", "error", "-m", "echelon", "up", "--data", str(self.data)]
        command += ["--port", str(self.port), *self._options, *options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.output = ""
        assert self._process.stdout is not None
        deadline = threading.Timer(PATIENCE, self._process.kill)
        deadline.start()
        for line in self._process.stdout:
            self.output += line
            if line.startswith(READY):
                deadline.cancel()
                break
        else:
            deadline.cancel()
            code, _, errors = self._end()
            raise AssertionError(f"the hub ended with {code}: {errors}")
        self.port = self._port()

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._end()

    def restart(self) -> None:
        """Kill it and start it again on the same data and port."""
        self.kill()
        self.start()

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> tuple[int, str, str]:
        """End it as Ctrl-C does; its exit code, and what it printed since the greeting on stdout and on stderr."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._end()

    def close(self) -> None:
        """End it if it runs."""
        if self._process is not None:
            self.kill()

    def _end(self) -> tuple[int, str, str]:
        assert self._process is not None
        output, errors = self._process.communicate(timeout=PATIENCE)
        code = self._process.returncode
        self._process = None
        return code, output, errors

    def _port(self) -> int:
        address = next(word for line in self.output.splitlines() for word in line.split() if word.startswith("https:"))
        return int(address.split(":")[2].split("/")[0])


def echelon(*arguments: str | Path, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command: Sequence[str] = [sys.executable, "-W", "error", "-m", "echelon", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE, env=environment)
