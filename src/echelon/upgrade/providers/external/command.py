"""Programs that upgrade clusters: one call is one process, the question on its standard input.

The method is also the last argument. The answer is what it prints. Its exit code is 0 then; 75 (EX_TEMPFAIL) means
that the same call may succeed later, any other that it will not, unless it printed an answer that says so itself.
What it writes to its standard error goes into the message. A call that takes too long is killed, with all
processes that it began.

A program sees of the environment only where programs, home and temporary files are, and what its settings add.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress

import msgspec

from echelon.upgrade.providers.contract import Code, ProviderError
from echelon.upgrade.providers.external.protocol import Question, is_answer
from echelon.upgrade.providers.settings import CommandSettings

TEMPORARY_FAILURE = 75
LARGEST_ANSWER = 1 << 20
PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR")
_TOLD = 500  # characters of standard error in a message


class Commands:
    """The channel to the programs of the settings, by name."""

    def __init__(self, commands: Mapping[str, CommandSettings], environ: Mapping[str, str] = os.environ) -> None:
        self._commands = commands
        self._environ = {name: environ[name] for name in PASSED_ON if name in environ}

    async def ask(self, name: str, question: Question) -> bytes:
        settings = self._commands.get(name)
        if settings is None:
            known = ", ".join(sorted(self._commands)) or "none"
            message = f"no command {name!r} is configured for {question.member.cluster_resource_id}; there are: {known}"
            raise ProviderError(Code.NOT_FOUND, message, retryable=True)
        code, answer, errors = await self._run(name, settings, question)
        if code == 0 or is_answer(answer):
            return answer
        told = errors.decode(errors="replace").strip()[-_TOLD:] or "and said nothing"
        message = f"command {name} {question.method} ended with exit code {code}: {told}"
        raise ProviderError(Code.UNKNOWN, message, retryable=code == TEMPORARY_FAILURE)

    async def _run(self, name: str, settings: CommandSettings, question: Question) -> tuple[int, bytes, bytes]:
        try:
            process = await asyncio.create_subprocess_exec(
                *settings.command,
                question.method,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**self._environ, **settings.environment},
                start_new_session=True,
                limit=LARGEST_ANSWER,
            )
        except OSError as error:
            message = f"command {name}: {settings.command[0]} cannot be run: {error.strerror}"
            raise ProviderError(Code.NOT_FOUND, message, retryable=True) from error
        try:
            async with asyncio.timeout(settings.timeout):
                answer, errors = await process.communicate(msgspec.json.encode(question))
        except TimeoutError as error:
            message = f"command {name} {question.method} took longer than {settings.timeout:g} s"
            raise ProviderError(Code.TIMEOUT, message, retryable=True) from error
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if len(answer) > LARGEST_ANSWER:
            raise ProviderError(Code.UNKNOWN, f"command {name} {question.method} printed more than 1 MiB")
        return await process.wait(), answer, errors
