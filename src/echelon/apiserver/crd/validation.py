"""Is a CustomResourceDefinition valid? The rules and words of Kubernetes' own validation of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from echelon.apiserver import names
from echelon.apiserver.crd.defaults import default_errors
from echelon.apiserver.crd.keywords import keyword_errors, rule_errors
from echelon.apiserver.crd.names import is_established
from echelon.apiserver.crd.structure import structure_errors
from echelon.apiserver.errors import FieldError
from echelon.apiserver.jsonpath import compile_path
from echelon.apiserver.schema import wording
from echelon.apiserver.schema.fieldpath import FieldPathError, resolve_field_path
from echelon.apiserver.schema.rules import seen_by_rules
from echelon.apiserver.schema.structural import (
    PRESERVE_UNKNOWN,
    VALIDATIONS,
    References,
    Structural,
    refuse_references,
)

Object = Mapping[str, Any]

COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_MOST_SELECTABLE_FIELDS = 8
_LONGEST_WARNING = 256
_APPROVAL = "api-approved.kubernetes.io"
# What a schema may say at its root, and how messages list it: by the field names of Kubernetes' own type.
_ROOT_KEYWORDS = {
    "description": "Description",
    "type": "Type",
    "format": "Format",
    "title": "Title",
    "maximum": "Maximum",
    "exclusiveMaximum": "ExclusiveMaximum",
    "minimum": "Minimum",
    "exclusiveMinimum": "ExclusiveMinimum",
    "maxLength": "MaxLength",
    "minLength": "MinLength",
    "pattern": "Pattern",
    "maxItems": "MaxItems",
    "minItems": "MinItems",
    "uniqueItems": "UniqueItems",
    "multipleOf": "MultipleOf",
    "required": "Required",
    "items": "Items",
    "properties": "Properties",
    "externalDocs": "ExternalDocs",
    "example": "Example",
    PRESERVE_UNKNOWN: "XPreserveUnknownFields",
    VALIDATIONS: "XValidations",
}


def validate_definition(crd: Object, old: Object | None = None) -> list[FieldError]:
    """Everything wrong with a definition, with ``old`` also with the change from it.

    The object must have the types of its kind: names defaulted, lists where lists belong.
    """
    spec = crd["spec"]
    errors = [*_about_name(crd, spec), *_about_spec(spec)]
    if old is not None:
        errors += _about_change(spec, old["spec"], fixed_names=is_established(old))
        errors += _about_stored_versions(crd, spec)
    if old is None:
        errors += _about_approval(crd, spec)
    return errors


def _about_name(crd: Object, spec: Object) -> Iterator[FieldError]:
    wanted = f"{spec['names'].get('plural', '')}.{spec.get('group', '')}"
    if crd["metadata"].get("name") != wanted:
        detail = 'must be spec.names.plural+"."+spec.group'
        yield wording.invalid("metadata.name", crd["metadata"].get("name", ""), detail)


def _about_spec(spec: Object) -> Iterator[FieldError]:
    group, versions = spec.get("group") or "", spec.get("versions") or ()
    if not group:
        yield wording.required("spec.group")
    elif problems := names.dns_subdomain(group):
        yield wording.invalid("spec.group", group, ",".join(problems))
    elif "." not in group:
        yield wording.invalid("spec.group", group, "should be a domain with at least one dot")
    yield from _one_of("spec.scope", spec.get("scope"), ("Cluster", "Namespaced"))
    if spec.get("preserveUnknownFields"):
        detail = (
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        )
        yield wording.invalid("spec.preserveUnknownFields", True, detail)
    for index, version in enumerate(versions):
        if _schema_of(version) is None:
            yield wording.required(f"spec.versions[{index}].schema.openAPIV3Schema")
    for index, version in enumerate(versions):
        yield from _about_version(version, f"spec.versions[{index}]")
    yield from _about_versions(versions)
    for field in ("plural", "singular", "kind", "listKind"):
        if not spec["names"].get(field):
            yield wording.required(f"spec.names.{field}")
    yield from _about_names(spec["names"], "spec.names")
    yield from _about_conversion(spec.get("conversion"))


def _one_of(path: str, value: str | None, accepted: Sequence[str]) -> Iterator[FieldError]:
    if not value:
        yield wording.required(path)
    elif value not in accepted:
        yield wording.not_supported(path, value, accepted)


def _about_versions(versions: Sequence[Object]) -> Iterator[FieldError]:
    if len({version["name"] for version in versions}) != len(versions):
        yield wording.invalid("spec.versions", versions, "must contain unique version names")
    if sum(bool(version.get("storage")) for version in versions) != 1:
        detail = "must have exactly one version marked as storage version"
        yield wording.invalid("spec.versions", versions, detail)


def _about_names(given: Object, path: str) -> Iterator[FieldError]:
    for field in ("plural", "singular"):
        text = given.get(field)
        if text and (problems := names.dns_1035_label(text)):
            yield wording.invalid(f"{path}.{field}", text, ",".join(problems))
    for field in ("kind", "listKind"):
        text = given.get(field)
        if text and (problems := names.dns_1035_label(text.lower())):
            detail = f"may have mixed case, but should otherwise match: {','.join(problems)}"
            yield wording.invalid(f"{path}.{field}", text, detail)
    for field in ("shortNames", "categories"):
        for index, text in enumerate(given.get(field) or ()):
            if problems := names.dns_1035_label(text):
                yield wording.invalid(f"{path}.{field}[{index}]", text, ",".join(problems))
    if given.get("kind") and given.get("kind") == given.get("listKind"):
        yield wording.invalid(f"{path}.listKind", given["listKind"], "kind and listKind may not be the same")


def _about_conversion(conversion: Object | None) -> Iterator[FieldError]:
    """Conversion by webhook would need calls out of the server; only the trivial conversion is offered."""
    if conversion is None:
        return
    strategy = conversion.get("strategy")
    if strategy == "Webhook":
        yield wording.not_supported("spec.conversion.strategy", strategy, ("None",))
        return
    yield from _one_of("spec.conversion.strategy", strategy, ("None", "Webhook"))
    if conversion.get("webhook") is not None:
        detail = "should not be set when strategy is not set to Webhook"
        yield wording.forbidden("spec.conversion.webhook", detail)


def _schema_of(version: Object) -> Object | None:
    schema: Object | None = (version.get("schema") or {}).get("openAPIV3Schema")
    return schema


def _about_version(version: Object, path: str) -> Iterator[FieldError]:
    if problems := names.dns_1035_label(version["name"]):
        yield wording.invalid(f"{path}.name", version["name"], ",".join(problems))
    yield from _about_deprecation(version, f"{path}.deprecationWarning")
    schema, subresources = _schema_of(version), version.get("subresources") or {}
    if schema is not None:
        at = f"{path}.schema.openAPIV3Schema"
        yield from _about_schema(schema, at, status=subresources.get("status") is not None)
    if subresources.get("scale") is not None:
        yield from _about_scale(subresources["scale"], f"{path}.subresources.scale")
    for index, column in enumerate(version.get("additionalPrinterColumns") or ()):
        yield from _about_column(column, f"{path}.additionalPrinterColumns[{index}]")
    if version.get("selectableFields") and schema is not None:
        yield from _about_selectable_fields(version["selectableFields"], schema, f"{path}.selectableFields")


def _about_deprecation(version: Object, path: str) -> Iterator[FieldError]:
    warning = version.get("deprecationWarning")
    if warning is None:
        return
    if not version.get("deprecated"):
        yield wording.invalid(path, warning, "can only be set for deprecated versions")
        return
    if len(warning.encode()) > _LONGEST_WARNING:
        yield wording.invalid(path, warning, f"must be <= {_LONGEST_WARNING} characters long")
    if not warning:
        yield wording.invalid(path, warning, "must not be an empty string")
    hidden = next((index for index, character in enumerate(warning) if not character.isprintable()), None)
    if hidden is not None:
        detail = (
            "must only contain printable UTF-8 characters; "
            f"non-printable character found at index {len(warning[:hidden].encode())}"
        )
        yield wording.invalid(path, warning, detail)


def _about_schema(schema: Object, path: str, *, status: bool) -> Iterator[FieldError]:
    if status:
        yield from _about_root(schema, path)
    if schema.get("nullable"):
        yield wording.forbidden(f"{path}.nullable", "nullable cannot be true at the root")
    shape = [*structure_errors(path, schema), *keyword_errors(path, schema)]
    yield from shape or default_errors(path, schema) or rule_errors(path, schema)


def _about_root(schema: Object, path: str) -> Iterator[FieldError]:
    """With a status subresource the root of a schema is a plain object."""
    kind = schema.get("type") or ""
    if kind and kind != "object":
        detail = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
        yield wording.invalid(f"{path}.type", kind, detail)
    elif any(value and keyword not in _ROOT_KEYWORDS for keyword, value in schema.items()):
        allowed = " ".join(_ROOT_KEYWORDS.values())
        where = "at the root of the schema if the status subresource is enabled"
        detail = f"only [{allowed}] fields are allowed {where}"
        yield wording.invalid(path, schema, detail)


def _about_scale(scale: Object, path: str) -> Iterator[FieldError]:
    for field, below in (("specReplicasPath", (".spec.",)), ("statusReplicasPath", (".status.",))):
        text = scale.get(field) or ""
        if not text:
            yield wording.required(f"{path}.{field}")
        else:
            yield from _about_simple_path(text, f"{path}.{field}", below)
    selector = scale.get("labelSelectorPath")
    if selector:
        yield from _about_simple_path(selector, f"{path}.labelSelectorPath", (".spec.", ".status."))


def _about_simple_path(text: str, path: str, below: tuple[str, ...]) -> Iterator[FieldError]:
    if not text.startswith("."):
        yield wording.invalid(path, text, "must be a simple json path starting with .")
    elif not text.startswith(below):
        where = f"under {below[0][:-1]}" if len(below) == 1 else "under either .spec or .status"
        yield wording.invalid(path, text, f"should be a json path {where}")


def _about_column(column: Object, path: str) -> Iterator[FieldError]:
    kind, form, found = column.get("type") or "", column.get("format") or "", column.get("jsonPath") or ""
    if not column.get("name"):
        yield wording.required(f"{path}.name")
    detail = f"must be one of {','.join(COLUMN_TYPES)}"
    if not kind:
        yield wording.required(f"{path}.type", detail)
    elif kind not in COLUMN_TYPES:
        yield wording.invalid(f"{path}.type", kind, detail)
    if form and form not in COLUMN_FORMATS:
        yield wording.invalid(f"{path}.format", form, f"must be one of {','.join(COLUMN_FORMATS)}")
    if not found:
        yield wording.required(f"{path}.JSONPath")
    elif not found.startswith("."):
        yield wording.invalid(f"{path}.JSONPath", found, "must be a simple json path starting with .")
    else:
        try:
            compile_path(found)
        except ValueError as error:
            yield wording.invalid(f"{path}.JSONPath", found, str(error))


def _about_selectable_fields(fields: Sequence[Object], schema: Object, path: str) -> Iterator[FieldError]:
    root = seen_by_rules(Structural(schema, References(refuse_references)), root=True)
    seen: set[str] = set()
    for index, field in enumerate(fields):
        at, text = f"{path}[{index}].jsonPath", field.get("jsonPath") or ""
        if not text:
            yield wording.required(at)
            continue
        try:
            printed, node = resolve_field_path(text, root, brackets=False)
        except FieldPathError as error:
            yield wording.invalid(at, text, f"is an invalid path: {error}")
            continue
        if printed.split(".")[0] == "metadata":
            yield wording.invalid(at, text, "must not point to fields in metadata")
        if node.raw.get("type") not in ("string", "boolean", "integer"):
            detail = (
                "must point to a field of type string, boolean or integer. "
                "Enum string fields and strings with formats are allowed."
            )
            yield wording.invalid(at, text, detail)
        if printed in seen:
            yield wording.duplicate(at, text)
        seen.add(printed)
    if len(seen) > _MOST_SELECTABLE_FIELDS:
        yield wording.too_many(path, len(seen), _MOST_SELECTABLE_FIELDS)


def _about_change(spec: Object, old: Object, *, fixed_names: bool) -> Iterator[FieldError]:
    """The group and plural name never change; scope and kind not once the definition is served."""
    pairs = [("group", spec.get("group"), old.get("group")), *_name_pair("plural", spec, old)]
    if fixed_names:
        pairs = [("scope", spec.get("scope"), old.get("scope")), *_name_pair("kind", spec, old), *pairs]
    for field, new_value, old_value in pairs:
        if new_value != old_value:
            yield wording.invalid(f"spec.{field}", new_value, "field is immutable")


def _name_pair(field: str, spec: Object, old: Object) -> list[tuple[str, Any, Any]]:
    return [(f"names.{field}", spec["names"].get(field), old["names"].get(field))]


def _about_stored_versions(crd: Object, spec: Object) -> Iterator[FieldError]:
    """Versions that objects may still be stored in must stay."""
    stored: Sequence[str] = (crd.get("status") or {}).get("storedVersions") or ()
    defined = {version["name"] for version in spec.get("versions") or ()}
    for index, name in enumerate(stored):
        if name not in defined:
            detail = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in "
                f"spec.versions until a storage migration ensures no data remains persisted in {name} "
                f"and removes {name} from status.storedVersions"
            )
            yield wording.invalid(f"status.storedVersions[{index}]", name, detail)


def _about_approval(crd: Object, spec: Object) -> Iterator[FieldError]:
    """Groups of the Kubernetes community are for definitions that were reviewed there."""
    group = spec.get("group") or ""
    protected = group == "k8s.io" or group == "kubernetes.io" or group.endswith((".k8s.io", ".kubernetes.io"))
    if not protected:
        return
    annotation = (crd["metadata"].get("annotations") or {}).get(_APPROVAL) or ""
    path = f"metadata.annotations[{_APPROVAL}]"
    if not annotation:
        detail = (
            "protected groups must have approval annotation "
            f'"{_APPROVAL}", see https://github.com/kubernetes/enhancements/pull/1111'
        )
        yield wording.required(path, detail)
    elif not annotation.startswith(("unapproved", "https://", "http://")):
        detail = (
            f'protected groups must have approval annotation "{_APPROVAL}" with either a URL or a reason starting with '
            '"unapproved", see https://github.com/kubernetes/enhancements/pull/1111'
        )
        yield wording.invalid(path, annotation, detail)
