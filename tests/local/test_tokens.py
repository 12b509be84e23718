"""Tokens of an embedded cluster, and the one that is kept in a file."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from echelon.apiserver import Credentials, User
from echelon.local.tokens import Tokens, cluster_of_token, context_token, kept_token


async def test_who_shows_a_token_is_its_user_until_it_is_revoked() -> None:
    tokens = Tokens()
    token = tokens.issue(User("jane"))
    found = await tokens.authenticate(Credentials(token))
    assert found is not None
    assert (found.name, found.groups) == ("jane", ("system:authenticated",))
    assert await tokens.authenticate(Credentials(token[:-1])) is None
    assert await tokens.authenticate(Credentials("")) is None
    tokens.revoke(token)
    assert await tokens.authenticate(Credentials(token)) is None


def test_a_token_can_say_for_which_cluster_it_is() -> None:
    assert cluster_of_token(context_token("member1", "abc")) == "member1"
    assert cluster_of_token("abc") == ""


def test_a_kept_token_stays(tmp_path: Path) -> None:
    path = tmp_path / "admin-token"
    token = kept_token(path)
    assert len(token) > 40
    assert kept_token(path) == token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("left", ["", "\n", "  "])
def test_an_empty_file_gets_a_new_token(tmp_path: Path, left: str) -> None:
    path = tmp_path / "admin-token"
    path.write_text(left)
    token = kept_token(path)
    assert path.read_text() == token != left
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
