"""Servers that upgrade clusters: a question is a POST, signed with a key that both sides have.

The header ``Echelon-Timestamp`` has the second of the call since 1970, ``Echelon-Signature`` is ``v1=`` and the
HMAC-SHA256, in hexadecimal, of timestamp, full stop and body. A server that compares both and refuses old
timestamps knows that the hub asks and that nobody repeats it. ``Idempotency-Key`` names the operation that is to
be started. The answer's body is that of the protocol, whatever the status. Without one, 429 and 5xx mean that the
same call may succeed later, after the time that ``Retry-After`` says.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit

import aiohttp
import msgspec

from echelon.api.meta import Clock
from echelon.upgrade.providers.clouds import is_rehearsal, retry_after
from echelon.upgrade.providers.contract import Code, ProviderError
from echelon.upgrade.providers.external.protocol import Question, is_answer
from echelon.upgrade.providers.settings import WebhookSettings

TIMESTAMP, SIGNATURE, IDEMPOTENCY = "Echelon-Timestamp", "Echelon-Signature", "Idempotency-Key"
LARGEST_ANSWER = 1 << 20
_TOLD = 300


def signature(key: bytes, timestamp: str, body: bytes) -> str:
    """The value of the header SIGNATURE."""
    return "v1=" + hmac.new(key, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


class Webhooks:
    """The channel to the servers of the settings, by name."""

    def __init__(self, webhooks: Mapping[str, WebhookSettings], clock: Clock) -> None:
        self._webhooks = webhooks
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(self, name: str, question: Question) -> bytes:
        settings = self._webhooks.get(name)
        if settings is None:
            known = ", ".join(sorted(self._webhooks)) or "none"
            message = f"no webhook {name!r} is configured for {question.member.cluster_resource_id}; there are: {known}"
            raise ProviderError(Code.NOT_FOUND, message, retryable=True)
        is_rehearsal(settings.url)  # or raises
        body = msgspec.json.encode(question)
        try:
            return await self._post(name, settings, question, body, self._headers(name, settings, question, body))
        except (aiohttp.ClientError, TimeoutError) as error:
            host = urlsplit(settings.url).netloc
            message = f"webhook {name} at {host}: {str(error) or 'no answer in time'}"
            raise ProviderError(Code.NETWORK, message, retryable=True) from error

    def _headers(self, name: str, settings: WebhookSettings, question: Question, body: bytes) -> Mapping[str, str]:
        try:
            key = settings.secret_file.read_bytes().strip()
        except OSError as error:
            message = f"webhook {name}: cannot read {settings.secret_file}: {error.strerror}"
            raise ProviderError(Code.AUTH, message, retryable=True) from error
        if not key:
            raise ProviderError(Code.AUTH, f"webhook {name}: {settings.secret_file} is empty", retryable=True)
        timestamp = str(int(self._clock.now().timestamp()))
        headers = {
            "Content-Type": "application/json",
            TIMESTAMP: timestamp,
            SIGNATURE: signature(key, timestamp, body),
        }
        return headers | ({IDEMPOTENCY: question.key} if question.key else {})

    async def _post(
        self, name: str, settings: WebhookSettings, question: Question, body: bytes, headers: Mapping[str, str]
    ) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        limits = aiohttp.ClientTimeout(total=settings.timeout)
        post = self._session.post(settings.url, data=body, headers=headers, timeout=limits, allow_redirects=False)
        async with post as answer:
            try:
                content = await answer.content.readexactly(LARGEST_ANSWER + 1)
            except asyncio.IncompleteReadError as whole:
                content = whole.partial
            else:
                raise ProviderError(Code.UNKNOWN, f"webhook {name} {question.method} answered more than 1 MiB")
            if answer.status == 200 or is_answer(content):
                return content
            told = content.decode(errors="replace").strip()[:_TOLD]
            message = f"webhook {name} {question.method}: status {answer.status}: {told or answer.reason}"
            pause = retry_after(answer.headers.get("Retry-After"), self._clock.now())
            code, retryable = _meaning(answer.status)
            raise ProviderError(code, message, retryable=retryable, retry_after=pause)


def _meaning(status: int) -> tuple[Code, bool]:
    match status:
        case 401 | 403:
            return Code.AUTH, True
        case 404:
            return Code.NOT_FOUND, True
        case 429:
            return Code.THROTTLED, True
        case _:
            return Code.UNKNOWN, status >= 500
