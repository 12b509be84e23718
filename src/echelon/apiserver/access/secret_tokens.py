"""Secrets that hold the token of a service account (type ``kubernetes.io/service-account-token``).

Whoever makes such a secret names the account in an annotation; the token, the namespace and the root
certificate are filled in here. A secret whose account does not exist, or is another one of the same
name, goes: its token is good for nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

import orjson

from echelon.apiserver.access.accounts import ServiceAccounts
from echelon.apiserver.definitions import Object
from echelon.apiserver.errors import StatusError
from echelon.apiserver.lifecycle.worker import Worker
from echelon.apiserver.objects import Changed, ObjectRecord, Objects
from echelon.apiserver.query import DeleteOptions

TYPE = "kubernetes.io/service-account-token"
ACCOUNT_NAME, ACCOUNT_UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"
_MARK = f'"{TYPE}"'.encode()

Key = tuple[str, str]


class SecretTokens:
    """Fills such secrets and removes those without an account."""

    def __init__(self, objects: Objects, accounts: ServiceAccounts, root_certificate: str | None) -> None:
        self._objects = objects
        self._accounts = accounts
        self._certificate = root_certificate
        self._worker: Worker[Key] = Worker("secret-tokens", self._handle)

    def start(self) -> None:
        for record in self._objects.keyspace.bucket("/secrets").list():
            self._consider(record)
        self._worker.start()

    async def close(self) -> None:
        await self._worker.close()

    def observe(self, changed: Changed) -> None:
        if changed.definition.group:
            return
        bucket = self._objects.keyspace.bucket("/secrets")
        if changed.definition.plural == "secrets":
            record = bucket.get(changed.namespace, changed.name)
            if record is not None:
                self._consider(record)
        elif changed.definition.plural == "serviceaccounts" and changed.after is None:
            for record in bucket.list(changed.namespace):
                self._consider(record)

    def _consider(self, record: ObjectRecord) -> None:
        if _MARK in record.value and record.summary.deletion_timestamp is None:
            self._worker.add((record.key.namespace, record.key.name))

    async def _handle(self, key: Key) -> None:
        definition = self._objects.registry.get("", "secrets")
        record = self._objects.keyspace.bucket("/secrets").get(*key)
        if definition is None or record is None:
            return
        secret = orjson.loads(record.value)
        annotations = secret["metadata"].get("annotations") or {}
        if secret.get("type") != TYPE:
            return
        account = self._objects.keyspace.bucket("/serviceaccounts").get(key[0], annotations.get(ACCOUNT_NAME, ""))
        if account is None or annotations.get(ACCOUNT_UID, account.summary.uid) != account.summary.uid:
            try:
                await self._objects.delete(definition, *key, DeleteOptions(uid=record.summary.uid))
            except StatusError as error:
                if error.code not in (404, 409):
                    raise
            return
        await self._objects.rewrite(definition, *key, lambda obj: self._fill(obj, account))

    def _fill(self, secret: Object, account: ObjectRecord) -> bool:
        """Add what a secret lacks; whether that was anything."""
        metadata, data = secret["metadata"], secret.get("data") or {}
        missing = {field: value for field, value in self._wanted(secret, account) if not data.get(field)}
        annotations = metadata.get("annotations") or {}
        if not missing and annotations.get(ACCOUNT_UID) == account.summary.uid:
            return False
        secret["data"] = data | missing
        metadata["annotations"] = {**annotations, ACCOUNT_UID: account.summary.uid}
        return True

    def _wanted(self, secret: Object, account: ObjectRecord) -> Iterator[tuple[str, str]]:
        if self._certificate is not None:
            yield "ca.crt", _encoded(self._certificate)
        yield "namespace", _encoded(account.key.namespace)
        if not (secret.get("data") or {}).get("token"):
            yield "token", _encoded(self._accounts.issue_for_secret(account, secret["metadata"]["name"]))


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
