"""The bearer tokens that an embedded cluster accepts; more may be issued while it is served.

Tokens are kept and looked up by their hash: finding one takes as long whatever was guessed, and a
dump of this process's memory shows none that was not in use.
"""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

from echelon.apiserver import Credentials, User
from echelon.apiserver.authentication import with_authenticated
from echelon.local.pki import write_secret


class Tokens:
    """Satisfies ``apiserver.Authenticator``."""

    def __init__(self) -> None:
        self._users: dict[bytes, User] = {}

    def accept(self, token: str, user: User) -> None:
        """From now on, who shows this token is that user."""
        self._users[_digest(token)] = with_authenticated(user)

    def issue(self, user: User) -> str:
        """A new token for a user."""
        token = new_token()
        self.accept(token, user)
        return token

    def revoke(self, token: str) -> None:
        """From now on, nobody is known by this token."""
        self._users.pop(_digest(token), None)

    async def authenticate(self, credentials: Credentials) -> User | None:
        return self._users.get(_digest(credentials.token)) if credentials.token else None


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(32)


def kept_token(path: Path) -> str:
    """The token in a file; a new one is written where there is none, or a file that an interrupted start left empty.

    Raises:
        OSError: the file cannot be read or written.
    """
    token = path.read_text().strip() if path.exists() else ""
    if not token:
        token = new_token()
        write_secret(path, token.encode())
    return token


def context_token(cluster: str, token: str) -> str:
    """The form of a token that also says for which cluster it is shown."""
    return f"{cluster}.{token}"


def cluster_of_token(token: str) -> str:
    """The cluster that a token says it is for; empty for a token of another form."""
    name, dot, _ = token.partition(".")
    return name if dot else ""


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
