"""How the user reached the hub: what a command line for the same hub looks like."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import msgspec


class Access(msgspec.Struct, frozen=True):
    """The kubeconfig and context that the user named; None for kubectl's defaults."""

    kubeconfig: Path | None = None
    context: str | None = None

    def command(self, *words: str) -> str:
        """A command line for the same hub, to be copied into a shell."""
        line = [*program(), *words]
        if self.kubeconfig is not None:
            line += ["--kubeconfig", str(self.kubeconfig)]
        if self.context is not None:
            line += ["--context", self.context]
        return shlex.join(line)


def program() -> tuple[str, ...]:
    """How the user calls this program: by its name, or as a plugin of kubectl."""
    return ("kubectl", "echelon") if Path(sys.argv[0]).name == "kubectl-echelon" else ("echelon",)
