"""Tokens: what is signed is recognised, what is not, or was changed, is not."""

from __future__ import annotations

import base64
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from echelon.apiserver.access.signing import BadKey, NotOurs, Signer

CLAIMS = {"sub": "someone", "aud": ["here"]}


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_a_signed_token_is_read() -> None:
    signer = Signer()
    token = signer.sign(CLAIMS)
    assert json.loads(signer.read(token)) == CLAIMS
    assert json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "==")) == {"alg": "ES256", "kid": signer.key_id}


def test_another_key_does_not_recognise_it() -> None:
    with pytest.raises(NotOurs):
        Signer().read(Signer().sign(CLAIMS))


@pytest.mark.parametrize("change", ["claims", "signature", "no signature", "algorithm", "none"])
def test_a_changed_token_is_refused(change: str) -> None:
    signer = Signer()
    header, claims, signature = signer.sign(CLAIMS).split(".")
    changed = {
        "claims": f"{header}.{part({'sub': 'admin'})}.{signature}",
        "signature": f"{header}.{claims}.{'A' * len(signature)}",
        "no signature": f"{header}.{claims}.",
        "algorithm": f"{part({'alg': 'HS256', 'kid': signer.key_id})}.{claims}.{signature}",
        "none": f"{part({'alg': 'none'})}.{claims}.",
    }[change]
    with pytest.raises(NotOurs):
        signer.read(changed)


SIGNER = Signer()
TOKEN = SIGNER.sign(CLAIMS)


@given(st.text() | st.lists(st.text("abcAB_-=.", max_size=90), max_size=4).map(".".join))
@settings(max_examples=200, deadline=None)
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(NotOurs):
        SIGNER.read(text)


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from("abcAB_-.="))
@settings(max_examples=200, deadline=None)
def test_any_other_letter_is_noticed(position: int, letter: str) -> None:
    changed = TOKEN[:position] + letter + TOKEN[position + 1 :]
    try:
        read = SIGNER.read(changed)
    except NotOurs:
        return
    assert json.loads(read) == CLAIMS  # the last letter has bits that mean nothing


def test_a_key_file_is_made_for_its_owner_only_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "tokens.key"
    before = os.umask(0)
    try:
        first = Signer.from_file(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(Signer.from_file(path).read(first.sign(CLAIMS))) == CLAIMS


def _pem(key: Any) -> bytes:
    content: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return content


@pytest.mark.parametrize("content", ["text", "rsa", "other curve"])
def test_a_bad_key_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tokens.key"
    made = {
        "text": lambda: b"no key",
        "rsa": lambda: _pem(rsa.generate_private_key(65537, 2048)),
        "other curve": lambda: _pem(ec.generate_private_key(ec.SECP384R1())),
    }
    path.write_bytes(made[content]())
    with pytest.raises(BadKey, match=r"tokens\.key|P-256"):
        Signer.from_file(path)


def test_a_key_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadKey, match="cannot be used"):
        Signer.from_file(tmp_path / "nowhere" / "tokens.key")


def test_the_public_key_is_published() -> None:
    signer = Signer()
    (key,) = signer.jwks()["keys"]
    assert (key["kid"], key["kty"], key["crv"], key["alg"], key["use"]) == (
        signer.key_id,
        "EC",
        "P-256",
        "ES256",
        "sig",
    )
    assert len(base64.urlsafe_b64decode(key["x"] + "=")) == 32
