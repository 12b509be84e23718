"""The ``token`` subresource of service accounts: TokenRequest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import orjson

from echelon.apiserver import metadata as meta
from echelon.apiserver.access.accounts import Bound, ServiceAccounts
from echelon.apiserver.builtin.schema import BuiltinSchema
from echelon.apiserver.clock import format_time
from echelon.apiserver.definitions import Object
from echelon.apiserver.errors import FieldError, bad_request, conflict, invalid, invalid_value
from echelon.apiserver.handlers.context import ActionRequest
from echelon.apiserver.objects import Objects

GROUP, VERSION, KIND = "authentication.k8s.io", "v1", "TokenRequest"
SHORTEST, LONGEST = 600, 1 << 32
"""Seconds for which a token may be asked for."""

_BOUND = {("v1", "Pod"): "pods", ("v1", "Secret"): "secrets", ("v1", "Node"): "nodes"}
_schema = BuiltinSchema(f"authentication.{KIND}")


class TokenRequests:
    """Answers creates of ``serviceaccounts/token``."""

    def __init__(self, objects: Objects, accounts: ServiceAccounts) -> None:
        self._objects = objects
        self._accounts = accounts

    async def __call__(self, request: ActionRequest) -> Object:
        """The request with the token in its status.

        Raises:
            StatusError: 400, 404 (no such account or bound object), 409 (another uid) or 422.
        """
        account = self._objects.get(request.definition, request.namespace, request.name)
        wanted = _read(request.body)
        faults = list(_faults(wanted, request))
        if faults:
            raise invalid(GROUP, KIND, "", faults)
        spec = wanted["spec"]
        spec["audiences"] = audiences = spec.get("audiences") or list(self._accounts.audiences)
        bound = self._bound(spec.get("boundObjectRef"), request)
        life = timedelta(seconds=spec["expirationSeconds"])
        token, expiry = self._accounts.issue(account, audiences, life, bound)
        metadata = {
            **wanted["metadata"],
            "name": request.name,
            "namespace": request.namespace,
            "creationTimestamp": format_time(self._objects.clock.now()),
        }
        status = {"token": token, "expirationTimestamp": format_time(expiry)}
        return {**wanted, "metadata": metadata, "status": status}

    def _bound(self, reference: Object | None, request: ActionRequest) -> list[Bound]:
        """The object that the token is to end with, and for a pod the node it runs on."""
        if not reference:
            return []
        kind, name = reference.get("kind", ""), reference.get("name", "")
        version = reference.get("apiVersion", "")
        plural = _BOUND.get((version, kind))
        definition = self._objects.registry.get("", plural) if plural else None
        if definition is None:
            group = "" if "/" not in version else version.rpartition("/")[0]
            raise bad_request(f"cannot bind token to object of type {group}/{version.rpartition('/')[2]}, Kind={kind}")
        record = self._objects.get(definition, request.namespace if definition.namespaced else "", name)
        bound = [Bound(kind, name, record.summary.uid)]
        if reference.get("uid") and reference["uid"] != record.summary.uid:
            why = (
                f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record. "
                "The object might have been deleted and then recreated"
            )
            raise conflict("", kind, name, why)
        if kind == "Pod":
            spec = orjson.loads(record.value).get("spec") or {}
            if spec.get("serviceAccountName", "") != request.name:
                raise bad_request(
                    f'cannot bind token for serviceaccount "{request.name}" to pod running with different '
                    "serviceaccount name."
                )
            bound += self._node(spec.get("nodeName", ""))
        return bound

    def _node(self, name: str) -> list[Bound]:
        record = self._objects.keyspace.bucket("/nodes").get("", name) if name else None
        return [] if record is None else [Bound("Node", name, record.summary.uid)]


def _read(body: Object) -> Object:
    """The TokenRequest in a body, with defaults.

    Raises:
        StatusError: 400 when it is not one.
    """
    api_version = f"{GROUP}/{VERSION}"
    given = (body.get("apiVersion") or api_version, body.get("kind") or KIND)
    if given != (api_version, KIND):
        raise bad_request(f"the body is {given[1]} of {given[0]}; want {KIND} of {api_version}")
    metadata = body.get("metadata") or {}
    if not isinstance(metadata, dict) or (fault := meta.type_fault(metadata)) is not None:
        why = fault if isinstance(metadata, dict) else "metadata is not an object"
        raise bad_request(f'{KIND} in version "{VERSION}" cannot be handled as a {KIND}: {why}')
    wanted: Object = {
        "apiVersion": api_version,
        "kind": KIND,
        "metadata": dict(metadata),
        "spec": body.get("spec") or {},
    }
    _schema.prune(wanted)
    meta.drop_unknown(wanted["metadata"])
    _schema.default(wanted)
    return wanted


def _faults(wanted: Object, request: ActionRequest) -> Iterator[FieldError]:
    metadata, seconds = wanted["metadata"], wanted["spec"]["expirationSeconds"]
    for field, own in (("name", request.name), ("namespace", request.namespace)):
        if metadata.get(field) and metadata[field] != own:
            why = f"must match the service account {field} if specified"
            yield invalid_value(f"metadata.{field}", metadata[field], why)
    if seconds < SHORTEST:
        yield invalid_value("spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
    if seconds > LONGEST:
        yield invalid_value("spec.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds")
