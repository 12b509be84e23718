"""Rules on objects: wording, transition rules, correlation, messages, and when rules are not evaluated."""

from __future__ import annotations

import builtins
import subprocess
import sys
from typing import Any

import pytest

from echelon.apiserver.schema import compile_schema
from echelon.apiserver.schema.cel import runtime
from echelon.apiserver.schema.cel.runtime import CompileError

Spec = dict[str, Any]
TEXT: Spec = {"type": "string"}
NUMBER: Spec = {"type": "integer"}
EITHER: Spec = {"x-kubernetes-int-or-string": True}
TIME: Spec = {"type": "string", "format": "date-time"}


def ruled(properties: Spec, *rules: str | Spec, **keywords: Any) -> Spec:
    validations = [{"rule": rule} if isinstance(rule, str) else rule for rule in rules]
    return {"type": "object", "properties": properties, "x-kubernetes-validations": validations, **keywords}


def errors_of(schema: Spec, value: Any, old: Any = None) -> list[str]:
    """What is said of ``spec`` with that schema; ``old`` is the spec before, if there was one."""
    compiled = compile_schema({"type": "object", "properties": {"spec": schema}})
    before = None if old is None else {"spec": old}
    return [str(error) for error in compiled.validate({"spec": value}, before)]


@pytest.mark.parametrize(
    ("properties", "rule", "value"),
    [
        ({"a": NUMBER, "b": NUMBER}, "!has(self.a) || !has(self.b) || self.a <= self.b", {"a": 1}),
        ({"x-y": NUMBER, "namespace": TEXT, "a.b": TEXT}, "self.x__dash__y == 1", {"x-y": 1, "namespace": "n"}),
        ({"namespace": TEXT, "a.b": TEXT}, "self.__namespace__ == self.a__dot__b", {"namespace": "n", "a.b": "n"}),
        ({"a__b": TEXT}, "self.a__underscores__b == 'x'", {"a__b": "x"}),
        ({"n": {"type": "number"}}, "self.n * 2.0 == 4.0 && self.n > 1", {"n": 2}),
        ({"p": EITHER}, "type(self.p) == int ? self.p < 5 : self.p == '50%'", {"p": "50%"}),
        ({"p": EITHER}, "type(self.p) == int ? self.p < 5 : false", {"p": 4}),
        ({"m": {"type": "string", "nullable": True}}, "self.m == null", {"m": None}),
        ({"t": TIME, "u": TIME}, "self.t < self. u && self.t > timestamp('2019-01-01T00:00:00Z')",
         {"t": "2020-01-01T00:00:00Z", "u": "2020-01-01T00:00:00-01:00"}),
        ({"d": {"type": "string", "format": "duration"}}, "self.d == duration('60m')", {"d": "1h"}),
        ({"d": {"type": "string", "format": "date"}}, "self.d.getFullYear() == 2020", {"d": "2020-02-01"}),
        ({"l": {"type": "array", "items": TIME}}, "self.l.all(t, t > timestamp('2019-01-01T00:00:00Z'))",
         {"l": ["2020-01-01T00:00:00Z"]}),
        ({"b": {"type": "string", "format": "byte"}}, "self.b == b'a'", {"b": "YQ=="}),
        ({"m": {"type": "object", "additionalProperties": NUMBER}}, "self.m.all(k, self.m[k] > 0) && 'a' in self.m",
         {"m": {"a": 1}}),
        ({"a": NUMBER}, "self.a < 1.5 && 1 < 1.5", {"a": 1}),
        ({"a": NUMBER}, "self.?a.orValue(1) == 1 && self.?a.optMap(a, a + 1).orValue(0) == 0", {}),
        ({"a": TEXT}, "self.a.lowerAscii() == 'é' + 'x' && size(self.a) == 2", {"a": "éX"}),
        ({"a": TEXT}, "cel.bind(first, self.a.split('-')[0], first == 'x')", {"a": "x-y"}),
        ({"a": TEXT}, "self == self && [self.a].exists_one(x, x == 'y')", {"a": "y"}),
    ],
)  # fmt: skip
def test_rules_that_hold(properties: Spec, rule: str, value: Spec) -> None:
    assert errors_of(ruled(properties, rule), value) == []


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("self.n > 5", "spec: Invalid value: failed rule: self.n > 5"),
        ({"rule": "self.n > 5", "message": " too small "}, "spec: Invalid value: too small"),
        ({"rule": "self.n > 5", "messageExpression": "'n is ' + string(self.n)"}, "spec: Invalid value: n is 3"),
        (
            {"rule": "self.n > 5", "messageExpression": "string(self.n / 0)", "message": "plain"},
            "spec: Invalid value: plain",
        ),
        ({"rule": "self.n > 5", "messageExpression": "' '", "message": "plain"}, "spec: Invalid value: plain"),
        (
            {"rule": "self.n > 5", "reason": "FieldValueForbidden", "fieldPath": ".n", "message": "m"},
            "spec.n: Forbidden: m",
        ),
        ({"rule": "self.n > 5", "reason": "FieldValueRequired", "message": "m"}, "spec: Required value: m"),
        ({"rule": "self.n > 5", "reason": "FieldValueDuplicate", "message": "m"}, "spec: Duplicate value"),
        (
            {"rule": "self.n > 5", "fieldPath": ".map['a.b']", "message": "m"},
            "spec.map[a.b]: Invalid value: m",
        ),
        ("self.n / 0 == 1", 'spec: Invalid value: "object": division by zero evaluating rule: self.n / 0 == 1'),
        ("self.map['x'] == 1", "spec: Invalid value: \"object\": no such key: x evaluating rule: self.map['x'] == 1"),
        (
            "[1][self.n] == 1",
            'spec: Invalid value: "object": index out of bounds: 3 evaluating rule: [1][self.n] == 1',
        ),
        (
            "self.port + 1 == 2",
            "spec: Invalid value: \"object\": 'no such overload': call arguments did not match a supported operator, "
            "function or macro signature for rule: self.port + 1 == 2",
        ),
    ],
)
def test_wording(rule: str | Spec, message: str) -> None:
    properties = {
        "n": NUMBER,
        "map": {"type": "object", "additionalProperties": NUMBER},
        "port": {"x-kubernetes-int-or-string": True},
    }
    assert errors_of(ruled(properties, rule), {"n": 3, "map": {}, "port": "http"}) == [message]


def test_a_rule_that_runs_away_fails_and_ends_the_evaluation() -> None:
    numbers = {"type": "array", "items": NUMBER}
    schema = ruled({"l": numbers}, "self.l.all(x, self.l.all(y, self.l.all(z, x + y + z >= 0)))", "false")
    assert errors_of(schema, {"l": list(range(100))}) == [
        "spec: Invalid value: \"object\": 'operation cancelled: actual cost limit exceeded': no further validation "
        "rules will be run due to call cost exceeds limit for rule: "
        "self.l.all(x, self.l.all(y, self.l.all(z, x + y + z >= 0)))"
    ]


def test_the_root_sees_its_names_and_its_path_is_nil() -> None:
    rule = {"rule": "self.metadata.name.startsWith('w') && self.kind == 'W'", "message": "m"}
    schema = compile_schema({"type": "object", "x-kubernetes-validations": [rule]})
    assert schema.validate({"kind": "W", "metadata": {"name": "w1", "labels": {}}}) == []
    assert [str(error) for error in schema.validate({"kind": "W", "metadata": {"name": "x"}})] == [
        "<nil>: Invalid value: m"
    ]


def test_rules_on_scalars_items_and_maps_show_value_and_path() -> None:
    immutable = {"type": "string", "x-kubernetes-validations": [{"rule": "self != 'bad'", "message": "m"}]}
    schema = ruled(
        {
            "list": {"type": "array", "items": immutable},
            "map": {"type": "object", "additionalProperties": immutable},
            "maybe": {**immutable, "nullable": True},
        }
    )
    value = {"list": ["good", "bad"], "map": {"k": "bad"}, "maybe": None}
    assert errors_of(schema, value) == ['spec.list[1]: Invalid value: "bad": m', 'spec.map[k]: Invalid value: "bad": m']


def test_rules_are_skipped_when_the_structure_is_wrong() -> None:
    schema = ruled({"n": NUMBER, "t": {"type": "string", "minLength": 2}}, {"rule": "false", "message": "m"})
    assert errors_of(schema, {"n": "x"}) == [
        'spec.n: Invalid value: "string": spec.n in body must be of type integer: "string"',
        "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; "
        "correct the existing errors to complete validation",
    ]
    assert errors_of(schema, {"t": "x"})[-1] == "spec: Invalid value: m"


def test_transition_rules_need_an_old_value() -> None:
    frozen = {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "immutable"}]}
    schema = ruled({"frozen": frozen}, {"rule": "!has(oldSelf.frozen) || has(self.frozen)", "message": "kept"})
    assert errors_of(schema, {"frozen": "a"}) == []
    assert errors_of(schema, {"frozen": "a"}, {}) == []
    assert errors_of(schema, {"frozen": "b"}, {"frozen": "a"}) == ['spec.frozen: Invalid value: "b": immutable']
    assert errors_of(schema, {}, {"frozen": "a"}) == ["spec: Invalid value: kept"]


def test_elements_correspond_by_key_in_map_lists_only() -> None:
    item = ruled({"name": TEXT, "n": NUMBER}, {"rule": "self.n >= oldSelf.n", "message": "may not shrink"})
    keyed = {"type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    schema = ruled({"keyed": keyed, "plain": {"type": "array", "items": item}})
    old = [{"name": "a", "n": 5}, {"name": "b", "n": 5}]
    new = [{"name": "b", "n": 4}, {"name": "c", "n": 1}, {"name": "a", "n": 5}]
    assert errors_of(schema, {"keyed": new}, {"keyed": old}) == ["spec.keyed[0]: Invalid value: may not shrink"]
    assert errors_of(schema, {"plain": new}, {"plain": old}) == []


def test_a_nul_does_not_end_a_text() -> None:
    frozen = {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "immutable"}]}
    schema = ruled({"frozen": frozen}, "size(self.frozen) == 3")
    assert len(errors_of(schema, {"frozen": "a\0b"}, {"frozen": "a\0c"})) == 1
    assert errors_of(schema, {"frozen": "a\0b"}, {"frozen": "a\0b"}) == []


@pytest.mark.parametrize(
    ("old", "count"), [(None, 1), ({"n": 4}, 1), ({"n": 2}, 0)], ids=["created", "shrunk", "grown"]
)
def test_an_optional_old_self_lets_transition_rules_see_creation(old: Any, count: int) -> None:
    rule = {"rule": "oldSelf.hasValue() ? oldSelf.value().n <= self.n : self.n > 5", "optionalOldSelf": True}
    assert len(errors_of(ruled({"n": NUMBER}, rule), {"n": 3}, old)) == count


def test_what_did_not_change_does_not_fail_an_update() -> None:
    part = ruled({"name": TEXT, "n": NUMBER}, {"rule": "self.n > 5", "message": "too small"})
    schema = ruled({"part": part, "other": NUMBER})
    old = {"part": {"n": 1}, "other": 1}
    assert errors_of(schema, {"part": {"n": 1}, "other": 2}, old) == []
    assert errors_of(schema, {"part": {"n": 2}, "other": 2}, old) == ["spec.part: Invalid value: too small"]


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("self.nope == 1", "undefined field 'nope'"),
        ("has(self.nope)", "undefined field 'nope'"),
        ("self.?nope.hasValue()", "undefined field 'nope'"),
        ("self.parts.all(p, p.nope == 1)", "undefined field 'nope'"),
        ("self.parts[0].nope == 1", "undefined field 'nope'"),
        ("self.metadata.labels == {}", "undefined field 'labels'"),
        ("self.text.nope == 1", "type 'string' does not support field selection"),
        ("self.text +", "Syntax error"),
        ("nothing(self)", "undeclared reference to 'nothing'"),
        ("self.text", "cel expression must evaluate to a bool"),
        ("1 + 1", "cel expression must evaluate to a bool"),
    ],
)
def test_rules_that_cannot_be_used(rule: str, problem: str) -> None:
    from echelon.apiserver.schema.rules import compile_rule, seen_by_rules
    from echelon.apiserver.schema.structural import References, Structural, refuse_references

    part = {"type": "object", "properties": {"a": NUMBER}}
    raw = {"type": "object", "properties": {"text": TEXT, "parts": {"type": "array", "items": part}}}
    node = seen_by_rules(Structural(raw, References(refuse_references)), root=True)
    with pytest.raises(CompileError, match=problem.replace("(", r"\(")):
        compile_rule({"rule": rule}, node)


def test_compile_errors_point_into_the_text() -> None:
    from echelon.apiserver.schema.rules import compile_rule
    from echelon.apiserver.schema.structural import References, Structural, refuse_references

    node = Structural({"type": "object", "properties": {}}, References(refuse_references))
    with pytest.raises(CompileError) as caught:
        compile_rule({"rule": "true &&\n  self.x > 1"}, node)
    assert str(caught.value) == (
        "compilation failed: ERROR: <input>:2:7: undefined field 'x'\n |   self.x > 1\n | ......^"
    )


def test_without_the_package_rules_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("cel_expr_python"):
            raise ImportError(name)
        return real(name, *rest, **more)

    runtime._environment.cache_clear()
    monkeypatch.setattr(builtins, "__import__", missing)
    try:
        with pytest.raises(CompileError, match="cel-expr-python, which is not installed"):
            runtime.compile_expression("1 == 1 && 'unseen' != ''")
    finally:
        runtime._environment.cache_clear()


def test_the_runtime_is_not_imported_before_it_is_needed() -> None:
    program = (
        "import sys, echelon.apiserver.schema as s, echelon.apiserver.crd; "
        "s.compile_schema({'type': 'object'}).validate({}); "
        "print([m for m in sys.modules if m.startswith('cel_expr_python')])"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
