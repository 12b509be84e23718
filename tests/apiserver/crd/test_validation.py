"""Which definitions are valid, and what is said of the others."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from echelon.apiserver.crd import CustomResourceDefinitionHooks, observed_status, validate_definition

CRD = dict[str, Any]
Change = Callable[[CRD], object]

NOT_A_LABEL = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)


def definition(spec_schema: dict[str, Any] | None = None) -> CRD:
    properties = {"spec": spec_schema or {"type": "object", "properties": {"size": {"type": "integer"}}}}
    crd: CRD = {
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
                }
            ],
        },
    }
    CustomResourceDefinitionHooks().prepare_create(crd)
    return crd


def messages(crd: CRD, old: CRD | None = None) -> list[str]:
    return [str(error) for error in validate_definition(crd, old)]


def schema_messages(schema: dict[str, Any]) -> list[str]:
    """What is said of ``spec.x`` with that schema, the path up to it cut off."""
    prefix = "spec.versions[0].schema.openAPIV3Schema.properties[spec].properties[x]"
    crd = definition({"type": "object", "properties": {"x": schema}})
    return [message.replace(prefix, "x") for message in messages(crd)]


def version(crd: CRD) -> dict[str, Any]:
    found: dict[str, Any] = crd["spec"]["versions"][0]
    return found


def test_names_and_conversion_are_defaulted() -> None:
    crd = definition()
    assert crd["spec"]["names"] == {
        "plural": "widgets",
        "kind": "Widget",
        "singular": "widget",
        "listKind": "WidgetList",
    }
    assert crd["spec"]["conversion"] == {"strategy": "None"}
    assert crd["status"] == {
        "conditions": [],
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": ["v1"],
    }
    assert messages(crd) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c["metadata"].update(name="wrong"),
            'metadata.name: Invalid value: "wrong": must be spec.names.plural+"."+spec.group',
        ),
        (lambda c: c["spec"].pop("scope"), "spec.scope: Required value"),
        (
            lambda c: c["spec"].update(scope="Global"),
            'spec.scope: Unsupported value: "Global": supported values: "Cluster", "Namespaced"',
        ),
        (
            lambda c: version(c).pop("schema"),
            "spec.versions[0].schema.openAPIV3Schema: Required value",
        ),
        (lambda c: version(c).update(name="V1"), f'spec.versions[0].name: Invalid value: "V1": {NOT_A_LABEL}'),
        (
            lambda c: c["spec"]["names"].update(listKind="Widget"),
            'spec.names.listKind: Invalid value: "Widget": kind and listKind may not be the same',
        ),
        (
            lambda c: c["spec"]["names"].update(shortNames=["W"]),
            f'spec.names.shortNames[0]: Invalid value: "W": {NOT_A_LABEL}',
        ),
        (
            lambda c: c["spec"].update(conversion={"strategy": "Webhook"}),
            'spec.conversion.strategy: Unsupported value: "Webhook": supported values: "None"',
        ),
        (
            lambda c: c["spec"].update(preserveUnknownFields=True),
            "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set "
            "x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
        ),
        (
            lambda c: version(c).update(deprecationWarning="old"),
            'spec.versions[0].deprecationWarning: Invalid value: "old": can only be set for deprecated versions',
        ),
        (
            lambda c: version(c).update(additionalPrinterColumns=[{"name": "A", "type": "text", "jsonPath": ".a"}]),
            'spec.versions[0].additionalPrinterColumns[0].type: Invalid value: "text": '
            "must be one of boolean,date,integer,number,string",
        ),
        (
            lambda c: version(c).update(additionalPrinterColumns=[{"name": "A", "type": "string", "jsonPath": "a"}]),
            'spec.versions[0].additionalPrinterColumns[0].JSONPath: Invalid value: "a": '
            "must be a simple json path starting with .",
        ),
        (
            lambda c: version(c).update(
                subresources={"scale": {"specReplicasPath": ".status.n", "statusReplicasPath": ".status.n"}}
            ),
            'spec.versions[0].subresources.scale.specReplicasPath: Invalid value: ".status.n": '
            "should be a json path under .spec",
        ),
        (
            lambda c: version(c).update(selectableFields=[{"jsonPath": ".spec.nope"}]),
            'spec.versions[0].selectableFields[0].jsonPath: Invalid value: ".spec.nope": '
            "is an invalid path: does not refer to a valid field",
        ),
        (
            lambda c: version(c).update(selectableFields=[{"jsonPath": ".metadata.name"}]),
            'spec.versions[0].selectableFields[0].jsonPath: Invalid value: ".metadata.name": '
            "must not point to fields in metadata",
        ),
        (
            lambda c: version(c).update(selectableFields=[{"jsonPath": ".spec.size"}] * 2),
            'spec.versions[0].selectableFields[1].jsonPath: Duplicate value: ".spec.size"',
        ),
    ],
)
def test_faults_of_a_definition(change: Change, message: str) -> None:
    crd = definition()
    change(crd)
    assert messages(crd) == [message]


def test_exactly_one_storage_version_with_a_name_of_its_own() -> None:
    crd = definition()
    crd["spec"]["versions"].append(copy.deepcopy(version(crd)))
    found = messages(crd)
    assert [message.rpartition(": ")[2] for message in found] == [
        "must contain unique version names",
        "must have exactly one version marked as storage version",
    ]


def test_groups_of_the_kubernetes_community_need_an_approval() -> None:
    crd = definition()
    crd["spec"]["group"] = "things.k8s.io"
    crd["metadata"]["name"] = "widgets.things.k8s.io"
    assert messages(crd)[0].startswith("metadata.annotations[api-approved.kubernetes.io]: Required value: protected")
    crd["metadata"]["annotations"] = {"api-approved.kubernetes.io": "unapproved, a test"}
    assert messages(crd) == []


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({}, "x.type: Required value: must not be empty for specified object fields"),
        ({"type": "array"}, "x.items: Required value: must be specified"),
        ({"type": "array", "items": {}}, "x.items.type: Required value: must not be empty for specified array items"),
        ({"type": "text"}, 'x.type: Unsupported value: "text": supported values: "array", "boolean", "integer", '
         '"number", "object", "string"'),
        ({"type": "string", "pattern": "a("}, 'x.pattern: Invalid value: "a(": must be a valid regular expression, '
         "but isn't: error parsing regexp: missing closing ): `a(`"),
        ({"type": "string", "anyOf": [{"type": "string"}]},
         "x.anyOf[0].type: Forbidden: must be empty to be structural"),
        ({"type": "string", "not": {"default": 1}}, "x.not.default: Forbidden: must be undefined to be structural"),
        ({"type": "object", "allOf": [{"properties": {"a": {"minimum": 1}}}]}, None),
        ({"type": "object", "x-kubernetes-embedded-resource": True},
         "x.properties: Required value: must not be empty if x-kubernetes-embedded-resource is true "
         "without x-kubernetes-preserve-unknown-fields"),
        ({"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}, ""),
        ({"x-kubernetes-int-or-string": True, "allOf": [{"anyOf": [{"type": "integer"}, {"type": "string"}]}]}, ""),
        ({"x-kubernetes-preserve-unknown-fields": True}, ""),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "string"}},
         "x.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive"),
        ({"type": "array", "items": {"type": "string"}, "uniqueItems": True}, "x.uniqueItems: Forbidden: uniqueItems "
         "cannot be set to true since the runtime complexity becomes quadratic"),
        ({"type": "string", "$ref": "#/x"}, "x.$ref: Forbidden: $ref is not supported"),
        ({"type": "string", "x-kubernetes-list-type": "set"}, 'x.type: Invalid value: "string": must be array if '
         "x-kubernetes-list-type is specified"),
        ({"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "bag"},
         'x.x-kubernetes-list-type: Unsupported value: "bag": supported values: "atomic", "set", "map"'),
        ({"type": "array", "items": {"type": "object", "properties": {"k": {"type": "string"}}},
          "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]},
         "x.items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must "
         "have a default or be a required property"),
        ({"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "set"},
         "x.items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with "
         "x-kubernetes-list-type=set"),
        ({"type": "object", "x-kubernetes-map-type": "odd"},
         'x.x-kubernetes-map-type: Unsupported value: "odd": supported values: "atomic", "granular"'),
        ({"type": "integer", "default": "big"},
         'x.default: Invalid value: "string": x.default in body must be of type integer: "string"'),
        ({"type": "object", "default": {"odd": 1}},
         'x.default: Invalid value: {"odd":1}: must not have unknown fields'),
        ({"type": "integer", "default": 1, "x-kubernetes-validations": [{"rule": "self > 1", "message": "m"}]},
         "x.default: Invalid value: 1: m"),
        ({"type": "integer", "x-kubernetes-validations": [{"rule": " "}]},
         "x.x-kubernetes-validations[0].rule: Required value: rule is not specified"),
        ({"type": "integer", "x-kubernetes-validations": [{"rule": "true ||\n false"}]},
         "x.x-kubernetes-validations[0].message: Required value: "
         "message must be specified if rule contains line breaks"),
        ({"type": "integer", "x-kubernetes-validations": [{"rule": "true", "reason": "Odd"}]},
         'x.x-kubernetes-validations[0].reason: Unsupported value: "Odd": supported values: "FieldValueDuplicate", '
         '"FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"'),
        ({"type": "object", "x-kubernetes-validations": [{"rule": "true", "fieldPath": ".a"}]},
         'x.x-kubernetes-validations[0].fieldPath: Invalid value: ".a": must be a valid path'),
        ({"type": "integer", "x-kubernetes-validations": [{"rule": "self.a == 1"}]},
         'x.x-kubernetes-validations[0].rule: Invalid value: {"Rule":"self.a == 1","Message":"","MessageExpression":"",'
         '"Reason":null,"FieldPath":"","OptionalOldSelf":null}: compilation failed: ERROR: <input>:1:5: '
         "type 'int' does not support field selection\n | self.a == 1\n | ....^"),
        ({"type": "integer", "x-kubernetes-validations": [{"rule": "self == 1", "optionalOldSelf": True}]},
         "x.x-kubernetes-validations[0].optionalOldSelf: Invalid value: true: "
         "may not be set if oldSelf is not used in rule"),
        ({"type": "integer", "x-kubernetes-validations": [{"rule": "self == 1", "messageExpression": "self"}]},
         'x.x-kubernetes-validations[0].messageExpression: Invalid value: {"Rule":"self == 1","Message":"",'
         '"MessageExpression":"self","Reason":null,"FieldPath":"","OptionalOldSelf":null}: '
         "messageExpression must evaluate to a string"),
        ({"type": "array", "items": {"type": "integer", "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}},
         'x.items.x-kubernetes-validations[0].rule: Invalid value: "self == oldSelf": oldSelf cannot be used on the '
         "uncorrelatable portion of the schema within x"),
    ],
)  # fmt: skip
def test_faults_of_a_schema(schema: dict[str, Any], message: str | None) -> None:
    found = schema_messages(schema)
    assert found == ([message] if message else []) or message is None


def test_value_checks_name_only_fields_of_the_tree() -> None:
    crd = definition({"type": "object"})
    root = version(crd)["schema"]["openAPIV3Schema"]
    root["anyOf"] = [{"properties": {"nope": {"minimum": 1}}}]
    at = "spec.versions[0].schema.openAPIV3Schema"
    assert messages(crd) == [
        f"{at}.properties[nope]: Required value: because it is defined in {at}.anyOf[0].properties[nope]"
    ]


def test_metadata_may_only_narrow_names() -> None:
    crd = definition()
    properties = version(crd)["schema"]["openAPIV3Schema"]["properties"]
    properties["metadata"] = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 5}}}
    assert messages(crd) == []
    properties["metadata"]["properties"]["labels"] = {"type": "object"}
    assert messages(crd) == [
        "spec.versions[0].schema.openAPIV3Schema.properties[metadata]: Forbidden: must not specify anything other than "
        "name and generateName, but metadata is implicitly specified"
    ]


def test_the_root_is_plain_with_a_status_subresource() -> None:
    crd = definition()
    version(crd)["subresources"] = {"status": {}}
    version(crd)["schema"]["openAPIV3Schema"]["minProperties"] = 1
    found = messages(crd)
    assert len(found) == 1
    assert found[0].endswith("fields are allowed at the root of the schema if the status subresource is enabled")


def test_what_an_update_may_not_change() -> None:
    old = definition()
    old["status"] = observed_status(old, [], "2026-01-01T00:00:00Z")
    new = copy.deepcopy(old)
    new["spec"]["scope"] = "Cluster"
    new["spec"]["names"]["kind"] = "Gadget"
    assert messages(new, old) == [
        'spec.scope: Invalid value: "Cluster": field is immutable',
        'spec.names.kind: Invalid value: "Gadget": field is immutable',
    ]


def test_versions_that_were_stored_must_stay() -> None:
    hooks, old = CustomResourceDefinitionHooks(), definition()
    new = copy.deepcopy(old)
    new["spec"]["versions"][0]["name"] = "v2"
    hooks.prepare_update(new, old)
    assert new["status"]["storedVersions"] == ["v1", "v2"]
    assert messages(new, old)[0].startswith(
        'status.storedVersions[0]: Invalid value: "v1": missing from spec.versions; v1 was previously a storage version'
    )


def test_status_updates_are_left_to_the_controller() -> None:
    crd = definition()
    crd["metadata"]["name"] = "wrong"
    assert CustomResourceDefinitionHooks().validate(crd, crd, "status") == []


def test_the_definitions_of_this_project_are_valid() -> None:
    paths = sorted((Path(__file__).parents[3] / "deploy" / "crds").glob("*.yaml"))
    assert paths
    for path in paths:
        for crd in yaml.safe_load_all(path.read_text()):
            CustomResourceDefinitionHooks().prepare_create(crd)
            assert messages(crd) == [], path.name
