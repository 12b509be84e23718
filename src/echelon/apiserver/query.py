"""Options that come in the query of a request, or in the body of a delete.

Every option has a default, so a request without a query shares one ready value. Faults are answered
in Kubernetes' words, all faults of a request at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

import msgspec

from echelon.apiserver.errors import (
    FieldError,
    bad_request,
    forbidden_field,
    invalid,
    invalid_value,
    required,
    too_long,
    unsupported_value,
)

MANAGER_LIMIT = 128
Query = Mapping[str, str]
_INT64 = 1 << 63
_MOST_DIGITS = 100  # more are out of range, leading zeros or not
_FIELD_VALIDATION = ("", "Ignore", "Strict", "Warn")
_MATCHES = ("Exact", "NotOlderThan")


def parse_query(text: bytes) -> dict[str, str]:
    """The parameters of a query; of one given several times, the first."""
    found: dict[str, str] = {}
    for part in text.decode("latin-1").split("&"):
        key, _, value = part.partition("=")
        if key:
            found.setdefault(unquote_plus(key), unquote_plus(value))
    return found


def _refuse(kind: str, errors: list[FieldError]) -> None:
    if errors:
        raise invalid("meta.k8s.io", kind, "", errors)


def _flag(query: Query, name: str) -> bool:
    """Query booleans: present means true unless it says ``false`` or ``0``."""
    value = query.get(name)
    return value is not None and value.lower() not in ("false", "0")


def _integer(query: Query, name: str) -> int | None:
    value = query.get(name, "")
    if not value:
        return None
    digits = value.removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        raise bad_request(f'strconv.ParseInt: parsing "{value}": invalid syntax')
    if len(digits) > _MOST_DIGITS or not -_INT64 <= int(value) < _INT64:
        raise bad_request(f'strconv.ParseInt: parsing "{value}": value out of range')
    return int(value)


def _dry_run(query: Query, errors: list[FieldError]) -> bool:
    value = query.get("dryRun", "")
    if value not in ("", "All"):
        errors.append(unsupported_value("dryRun", [value], ["All"]))
    return value == "All"


class WriteOptions(msgspec.Struct, frozen=True):
    """How a create, update or patch is done."""

    dry_run: bool = False
    field_manager: str = ""
    field_validation: str = "Warn"
    force: bool | None = None


_DEFAULT_WRITE = WriteOptions()


def write_options(query: Query, kind: str, *, apply: bool = False) -> WriteOptions:
    """Options of a write; ``kind`` is ``CreateOptions``, ``UpdateOptions`` or ``PatchOptions``.

    Raises:
        StatusError: 422 naming each bad option.
    """
    if not query and not apply:
        return _DEFAULT_WRITE
    errors: list[FieldError] = []
    force = _flag(query, "force") if "force" in query else None
    manager = query.get("fieldManager", "")
    if kind == "PatchOptions":
        if not apply and force is not None:
            errors.append(forbidden_field("force", "may not be specified for non-apply patch"))
        if apply and not manager:
            errors.append(required("fieldManager", "is required for apply patch"))
    errors += _manager_faults(manager)
    dry_run = _dry_run(query, errors)
    validation = query.get("fieldValidation", "")
    if validation not in _FIELD_VALIDATION:
        errors.append(unsupported_value("fieldValidation", validation, _FIELD_VALIDATION))
    _refuse(kind, errors)
    return WriteOptions(dry_run, manager, validation or "Warn", force)


def _manager_faults(manager: str) -> list[FieldError]:
    if len(manager.encode()) > MANAGER_LIMIT:
        return [too_long("fieldManager", MANAGER_LIMIT)]
    if not all(character.isprintable() for character in manager):
        return [invalid_value("fieldManager", manager, "should only contain printable characters")]
    return []


class DeleteOptions(msgspec.Struct, frozen=True):
    """How a delete is done. ``propagation`` is empty when the client leaves it to the server."""

    dry_run: bool = False
    grace_period: int | None = None
    propagation: str = ""
    uid: str | None = None
    resource_version: str | None = None


_DEFAULT_DELETE = DeleteOptions()
_POLICIES = ("Foreground", "Background", "Orphan")


def delete_options(query: Query, body: Mapping[str, Any] | None) -> DeleteOptions:
    """Options of a delete, from its body where it has one, else from its query.

    Raises:
        StatusError: 400 or 422 naming what is wrong.
    """
    if body:
        return _delete_options_in(body)
    if not query:
        return _DEFAULT_DELETE
    errors: list[FieldError] = []
    orphan = _flag(query, "orphanDependents") if "orphanDependents" in query else None
    propagation = _propagation(query.get("propagationPolicy", ""), orphan, errors)
    grace = _grace_period(_integer(query, "gracePeriodSeconds"), errors)
    dry_run = _dry_run(query, errors)
    _refuse("DeleteOptions", errors)
    return DeleteOptions(dry_run, grace, propagation)


def _delete_options_in(body: Mapping[str, Any]) -> DeleteOptions:
    kind = body.get("kind", "DeleteOptions")
    if kind != "DeleteOptions":
        raise bad_request(f'decoded object cannot be converted to DeleteOptions: it is a "{kind}"')
    errors: list[FieldError] = []
    dry_run = body.get("dryRun") or []
    if dry_run not in ([], ["All"]):
        errors.append(unsupported_value("dryRun", dry_run, ["All"]))
    propagation = _propagation(body.get("propagationPolicy") or "", body.get("orphanDependents"), errors)
    grace = _grace_period(body.get("gracePeriodSeconds"), errors)
    preconditions = _preconditions(body.get("preconditions"))
    _refuse("DeleteOptions", errors)
    return DeleteOptions(
        bool(dry_run), grace, propagation, preconditions.get("uid"), preconditions.get("resourceVersion")
    )


def _preconditions(value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad_request(_wrong_type(value, "preconditions", "v1.Preconditions"))
    for field in ("uid", "resourceVersion"):
        if not isinstance(value.get(field), str | None):
            raise bad_request(_wrong_type(value[field], f"preconditions.{field}", "string"))
    return value


def _wrong_type(value: Any, field: str, wanted: str) -> str:
    kind = {dict: "object", list: "array", str: "string", bool: "bool"}.get(type(value), "number")
    return f"json: cannot unmarshal {kind} into Go struct field DeleteOptions.{field} of type {wanted}"


def _propagation(policy: str, orphan: bool | None, errors: list[FieldError]) -> str:
    if orphan is not None:
        if policy:
            errors.append(
                invalid_value(
                    "propagationPolicy", policy, "orphanDependents and deletionPropagation cannot be both set"
                )
            )
        return "Orphan" if orphan else "Background"
    if policy and policy not in _POLICIES:
        errors.append(unsupported_value("propagationPolicy", policy, (*_POLICIES, "nil")))
    return policy


def _grace_period(value: Any, errors: list[FieldError]) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or value < 0:
        errors.append(invalid_value("gracePeriodSeconds", value, "must be greater than or equal to 0"))
        return None
    return value


class ListOptions(msgspec.Struct, frozen=True):
    """What a list or watch asks for. ``revision`` is None when no resourceVersion was given."""

    label_selector: str = ""
    field_selector: str = ""
    revision: int | None = None
    match: str = ""
    limit: int = 0
    continue_: str = ""
    timeout: int | None = None
    bookmarks: bool = False
    initial_events: bool | None = None
    watch: bool = False


_DEFAULT_LIST = ListOptions()


def list_options(query: Query) -> ListOptions:
    """Options of a list or watch.

    Raises:
        StatusError: 400 or 422 naming what is wrong.
    """
    if not query:
        return _DEFAULT_LIST
    watch = _flag(query, "watch")
    options = ListOptions(
        label_selector=query.get("labelSelector", ""),
        field_selector=query.get("fieldSelector", ""),
        revision=_revision(query.get("resourceVersion", ""), watch),
        match=query.get("resourceVersionMatch", ""),
        limit=max(_integer(query, "limit") or 0, 0),
        continue_=query.get("continue", ""),
        timeout=_integer(query, "timeoutSeconds"),
        bookmarks=_flag(query, "allowWatchBookmarks"),
        initial_events=_flag(query, "sendInitialEvents") if "sendInitialEvents" in query else None,
        watch=watch,
    )
    _refuse("ListOptions", _list_faults(options))
    return options


def _revision(text: str, watch: bool) -> int | None:
    if not text:
        return None
    why = "" if text.isascii() and text.isdigit() else "invalid syntax"
    if not why and (len(text) > _MOST_DIGITS or int(text) >= 2 * _INT64):
        why = "value out of range"
    if why:
        fault = invalid_value("resourceVersion", text, f'strconv.ParseUint: parsing "{text}": {why}')
        raise bad_request(f"invalid resource version: {fault}") if not watch else bad_request(str(fault))
    return int(text)


def _list_faults(options: ListOptions) -> list[FieldError]:
    field, match = "resourceVersionMatch", options.match
    if options.initial_events is not None:
        if not options.watch:
            return [forbidden_field("sendInitialEvents", "sendInitialEvents is forbidden for list")]
        if match != "NotOlderThan":
            why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            return [forbidden_field(field, why)]
        return []
    if not match:
        return []
    if options.watch:
        return [
            forbidden_field(field, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
        ]
    if options.revision is None:
        return [forbidden_field(field, "resourceVersionMatch is forbidden unless resourceVersion is provided")]
    if options.continue_:
        return [forbidden_field(field, "resourceVersionMatch is forbidden when continue is provided")]
    if match not in _MATCHES:
        return [unsupported_value(field, match, ("Exact", "NotOlderThan", ""))]
    if match == "Exact" and options.revision == 0:
        why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        return [forbidden_field(field, why)]
    return []
