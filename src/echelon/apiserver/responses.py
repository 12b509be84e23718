"""Answers, and how they are written.

An ``Answer`` is a status code and finished bytes. Header lists that repeat are made once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import orjson
import yaml

from echelon.apiserver.errors import StatusError
from echelon.apiserver.negotiate import PLAIN, Form
from echelon.apiserver.request import Request, Send

Header = tuple[bytes, bytes]
TEXT = b"text/plain; charset=utf-8"
_JSON = b"application/json"


class Answer:
    """A complete answer."""

    __slots__ = ("body", "code", "content_type", "headers")

    def __init__(self, code: int, body: bytes, content_type: bytes = _JSON, headers: Sequence[Header] = ()) -> None:
        self.code = code
        self.body = body
        self.content_type = content_type
        self.headers = headers


@lru_cache(maxsize=4096)
def _length(size: int) -> Header:
    return (b"content-length", str(size).encode())


async def send_answer(send: Send, answer: Answer, request: Request) -> None:
    """Write an answer to a request, with the warnings that came up; HEAD gets no body."""
    headers = [(b"content-type", answer.content_type), _length(len(answer.body)), _NO_CACHE, *answer.headers]
    if request.warnings:
        headers += warnings(request.warnings)
    await send({"type": "http.response.start", "status": answer.code, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else answer.body})


_NO_CACHE = (b"cache-control", b"no-cache, private")
STREAM_HEADERS: list[Header] = [(b"content-type", _JSON), _NO_CACHE]


def encode(body: bytes, form: Form) -> bytes:
    """JSON bytes in the media type of a form."""
    return to_yaml(orjson.loads(body)) if form.is_yaml else body


def to_yaml(value: Any) -> bytes:
    """YAML with sorted keys, as Kubernetes writes it."""
    text: str = yaml.dump(value, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, width=1 << 30)
    return text.encode()


_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def json_answer(value: Any, form: Form = PLAIN, code: int = 200, headers: Sequence[Header] = ()) -> Answer:
    """An answer whose body is still a value."""
    return Answer(code, encode(orjson.dumps(value), form), form.content_type, headers)


def text_answer(text: str, code: int = 200) -> Answer:
    return Answer(code, text.encode(), TEXT)


def page_not_found() -> Answer:
    return text_answer("404 page not found\n", 404)


def failure(error: StatusError) -> Answer:
    """The answer that stands for an error."""
    headers: list[Header] = []
    if error.retry_after is not None:
        headers.append((b"retry-after", str(error.retry_after).encode()))
    return Answer(error.code, orjson.dumps(error.status()), _JSON, headers)


def warnings(texts: Iterable[str]) -> list[Header]:
    """``Warning`` headers, one a text."""
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in dict.fromkeys(texts))
    return [(b"warning", f'299 - "{text}"'.encode("utf-8", "replace")) for text in quoted]
