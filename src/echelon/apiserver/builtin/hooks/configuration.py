"""Namespaces, ConfigMaps and Secrets."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping

from echelon.apiserver.builtin.hooks.base import IMMUTABLE, Faults, KindHooks
from echelon.apiserver.definitions import Object
from echelon.apiserver.errors import FieldError, forbidden_field, invalid_value, required, too_long

SIZE_LIMIT = 1 << 20
"""How many bytes the values of a ConfigMap or Secret may have in all."""

_FROZEN = "field is immutable when `immutable` is set"
_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_KEY_FAULT = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
    "(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_KEY_LIMIT = 253


def _namespace_created(namespace: Object) -> None:
    finalizers = namespace.setdefault("spec", {}).setdefault("finalizers", [])
    if "kubernetes" not in finalizers:
        finalizers.append("kubernetes")
    namespace["status"] = {"phase": "Active"}


def _namespace_updated(namespace: Object, old: Object) -> None:
    """Only a namespace on its way out may lose the finalizers of its spec."""
    if "spec" in old and "deletionTimestamp" not in old["metadata"]:
        namespace["spec"] = old["spec"]


def _keys(entries: Mapping[str, str], path: str) -> Iterator[FieldError]:
    for key in entries:
        where = f"{path}[{key}]"
        if len(key) > _KEY_LIMIT:
            yield invalid_value(where, key, f"must be no more than {_KEY_LIMIT} characters")
        elif not _KEY.fullmatch(key):
            yield invalid_value(where, key, _KEY_FAULT)
        elif key in (".", "..") or key.startswith(".."):
            fault = f"must not be '{key}'" if key in (".", "..") else "must not start with '..'"
            yield invalid_value(where, key, fault)


def _frozen(obj: Object, old: Object | None, *fields: str) -> Iterator[FieldError]:
    """What an immutable object may not have changed."""
    if old is None or not old.get("immutable"):
        return
    if not obj.get("immutable"):
        yield forbidden_field("immutable", _FROZEN)
    for field in fields:
        if obj.get(field, {}) != old.get(field, {}):
            yield forbidden_field(field, _FROZEN)


def _decoded_size(text: str) -> int:
    return len(base64.b64decode(text))


def _config_map(config_map: Object, old: Object | None, subresource: str) -> Faults:
    yield from _frozen(config_map, old, "data", "binaryData")
    data, binary = config_map.get("data", {}), config_map.get("binaryData", {})
    yield from _keys(data, "data")
    for key in data:
        if key in binary:
            yield invalid_value(f"data[{key}]", key, "duplicate of key present in binaryData")
    yield from _keys(binary, "binaryData")
    if sum(len(value.encode()) for value in data.values()) + sum(map(_decoded_size, binary.values())) > SIZE_LIMIT:
        yield too_long("[]", SIZE_LIMIT)


_TOKEN_TYPE = "kubernetes.io/service-account-token"
_ACCOUNT_ANNOTATION = "kubernetes.io/service-account.name"
_NEEDED_KEYS = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}


def _secret(secret: Object, old: Object | None, subresource: str) -> Faults:
    if old is not None and secret.get("type") != old.get("type"):
        yield invalid_value("type", secret.get("type", ""), IMMUTABLE)
    yield from _frozen(secret, old, "data")
    data = secret.get("data", {})
    yield from _keys(data, "data")
    if sum(map(_decoded_size, data.values())) > SIZE_LIMIT:
        yield too_long("data", SIZE_LIMIT)
    kind = secret.get("type", "")
    if kind == _TOKEN_TYPE and not secret["metadata"].get("annotations", {}).get(_ACCOUNT_ANNOTATION):
        yield required(f"metadata.annotations[{_ACCOUNT_ANNOTATION}]")
    if kind == "kubernetes.io/basic-auth" and not data.keys() & {"username", "password"}:
        yield required("data[username]")
        yield required("data[password]")
    for key in _NEEDED_KEYS.get(kind, ()):
        if key not in data:
            yield required(f"data[{key}]")


CONFIGURATION_HOOKS = {
    "core.Namespace": KindHooks(create=_namespace_created, update=_namespace_updated),
    "core.ConfigMap": KindHooks(check=_config_map),
    "core.Secret": KindHooks(check=_secret),
}
