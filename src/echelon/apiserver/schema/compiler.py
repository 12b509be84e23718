"""``compile_schema``: an OpenAPI schema as something that prunes, defaults and validates objects."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any

from echelon.apiserver.errors import FieldError
from echelon.apiserver.schema import wording
from echelon.apiserver.schema.defaulting import fill_of
from echelon.apiserver.schema.embedded import TYPE_AND_METADATA, prune_metadata
from echelon.apiserver.schema.faults import LIST_TYPE, Faults, in_order
from echelon.apiserver.schema.pruning import prune_with
from echelon.apiserver.schema.ratcheting import without_unchanged
from echelon.apiserver.schema.rules import RuleNode, evaluate_rules, has_rules
from echelon.apiserver.schema.structural import References, Resolve, Structural, refuse_references
from echelon.apiserver.schema.validation import checks_of

Object = dict[str, Any]

_BLOCKING = frozenset(
    (
        "FieldValueNotSupported",
        "FieldValueRequired",
        "FieldValueTooLong",
        "FieldValueTooMany",
        "FieldValueTypeInvalid",
    )
)
RULES_SKIPPED = wording.invalid(
    None,
    None,
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
)


class Schema:
    """A compiled structural schema of a whole object: ``metadata``, ``apiVersion`` and ``kind`` always belong to it.

    The usual order on a write is ``prune``, ``default``, ``validate``. All three are idempotent, and
    a schema may be used by several requests at once.
    """

    def __init__(self, openapi: Mapping[str, Any], root: Structural) -> None:
        self._openapi = openapi
        self.root = root

    @property
    def openapi(self) -> Mapping[str, Any]:
        """The schema as it was given, for publishing and for typed walks."""
        return self._openapi

    def prune(self, obj: Object) -> list[str]:
        """Remove unknown fields in place; the sorted paths of what went, such as ``spec.items[0].bar``."""
        removed: list[str] = []
        head = {name: obj.pop(name) for name in TYPE_AND_METADATA if name in obj}
        prune_with(self.root, obj, "", removed)
        prune_metadata(head.get("metadata"), "metadata", removed)
        body = dict(obj)
        obj.clear()
        obj |= head | body
        removed.sort()
        return removed

    def default(self, obj: Object) -> None:
        """Fill in defaults in place, also for nulls of fields that are not nullable."""
        fill = fill_of(self.root)
        if fill is not None:
            fill(obj)

    def validate(self, obj: Object, old: Object | None = None) -> list[FieldError]:
        """What is wrong with the object, in Kubernetes' order and words.

        With ``old``, errors in parts that did not change are ignored and transition rules are checked.
        """
        faults = self._faults(obj)
        if faults and old is not None:
            faults = self._ratcheted(faults, obj, old)
        errors = in_order(faults)
        rules = self.rules
        if rules is None:
            return errors
        if any(error.reason in _BLOCKING for error in errors):
            return [*errors, RULES_SKIPPED]
        return errors + evaluate_rules(rules, obj, old)

    @cached_property
    def rules(self) -> RuleNode | None:
        """The rules of the schema, ``None`` when it has none."""
        return RuleNode(self.root, root=True) if has_rules(self.root.raw) else None

    def _faults(self, obj: Object) -> Faults:
        faults: Faults = []
        check = checks_of(self.root)[dict]
        if check is not None:
            check(obj, "", faults)
        return faults

    def _ratcheted(self, faults: Faults, obj: Object, old: Object) -> Faults:
        """Lists that were no sets or maps before need not become it: one such list excuses all."""
        lists = [fault for fault in faults if fault.phase == LIST_TYPE]
        if lists and any(fault.phase == LIST_TYPE for fault in self._faults(old)):
            lists = []
        others = [fault for fault in faults if fault.phase != LIST_TYPE]
        return without_unchanged(others, self.root, obj, old) + lists


@lru_cache(maxsize=64)
def _references(resolve: Resolve) -> References:
    """One set of shared nodes a resolver, so that schemas with the same references share their compiled parts."""
    return References(resolve)


def compile_schema(openapi: Mapping[str, Any], *, resolve: Resolve | None = None) -> Schema:
    """Compile a structural schema, the dict under ``openAPIV3Schema``.

    Compilation is lazy: parts are compiled when the first value reaches them. ``resolve`` gives the
    schema a ``$ref`` stands for; without it references are refused with ``UnknownReference``.
    """
    references = _references(resolve or refuse_references)
    return Schema(openapi, references.node(openapi))
