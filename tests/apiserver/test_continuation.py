"""Continue tokens."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echelon.apiserver.continuation import Continuation, decode, encode
from echelon.apiserver.errors import StatusError


@given(st.integers(0, 2**53), st.text("abc-.", min_size=0), st.text("abc-.:", min_size=1))
def test_a_token_is_read_as_it_was_written(revision: int, namespace: str, name: str) -> None:
    continuation = Continuation(revision, (namespace, name))
    assert decode(encode(continuation)) == continuation


def token(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    [
        "rubbish",
        "!!",
        token("[]"),
        token('{"v":"other","rv":1,"start":"a/b"}'),
        token('{"v":"meta.k8s.io/v1","rv":"1","start":"a/b"}'),
        token('{"v":"meta.k8s.io/v1","rv":-2,"start":"a/b"}'),
        token('{"v":"meta.k8s.io/v1","rv":1,"start":"ab"}'),
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(StatusError) as refused:
        decode(text)
    assert refused.value.code == 400
    assert refused.value.message.startswith("invalid continue token: continue key is not valid: ")
