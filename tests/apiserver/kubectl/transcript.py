"""Transcripts: what somebody types, and what must be seen.

    # a remark
    $ kubectl create namespace team
    namespace/team created
    $ kubectl get namespace none
    *NotFound*
    [1]

The lines below a command are found in its output, in this order, perhaps with others between them;
``*`` stands for anything, and how many blanks there are does not count. ``[1]`` is the exit status,
which is 0 without. ``NAME=value`` before ``kubectl`` sets a variable.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import msgspec

_STATUS = re.compile(r"\[(\d+)\]")


class Command(msgspec.Struct, frozen=True):
    """A command with what it must print. ``line`` is where it stands."""

    line: int
    settings: dict[str, str]
    arguments: tuple[str, ...]
    expected: tuple[str, ...]
    status: int

    @property
    def kind(self) -> str:
        """What is tried: words in place of names, and the names of options."""
        words = [word for word in self.arguments if not word.startswith("-")]
        options = sorted({word.partition("=")[0] for word in self.arguments if word.startswith("-")})
        return " ".join((*words[: 2 if words[0] in _GROUPS else 1], *options))

    def missing(self, output: str) -> str | None:
        """The first expected line that the output lacks."""
        lines = iter(_plain(line) for line in output.splitlines())
        for expected in self.expected:
            pattern = ".*".join(re.escape(part) for part in _plain(expected).split("*"))
            if not any(re.fullmatch(pattern, line) for line in lines):
                return expected
        return None


_GROUPS = frozenset({"create", "rollout", "auth", "set", "config", "certificate", "cluster-info", "top"})


def _plain(line: str) -> str:
    return " ".join(line.split())


def commands(path: Path) -> Iterator[Command]:
    """The commands of a transcript."""
    current: tuple[int, str] | None = None
    expected: list[str] = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("$ "):
            if current is not None:
                yield _command(*current, expected)
            current, expected = (number, line[2:]), []
        elif line.strip() and not line.startswith("#"):
            expected.append(line)
    if current is not None:
        yield _command(*current, expected)


def _command(number: int, text: str, lines: list[str]) -> Command:
    words = shlex.split(text)
    at = words.index("kubectl")
    settings = dict(word.split("=", 1) for word in words[:at])
    status = _STATUS.fullmatch(lines[-1].strip()) if lines else None
    expected = lines[:-1] if status else lines
    return Command(number, settings, tuple(words[at + 1 :]), tuple(expected), int(status[1]) if status else 0)
