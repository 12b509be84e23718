"""Protobuf bodies: what kubectl really sends, details of the wire, and that nothing but a 400 comes of rubbish.

The recordings under ``fixtures/`` are bodies that kubectl 1.33 posted to a logging server.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echelon.apiserver.errors import StatusError
from echelon.apiserver.protobuf import MAGIC, decode

FIXTURES = Path(__file__).parent / "fixtures"
RECORDINGS = sorted(path.stem for path in FIXTURES.glob("*.pb"))
RBAC = "rbac.authorization.k8s.io"


def recording(name: str) -> bytes:
    return (FIXTURES / f"{name}.pb").read_bytes()


def head(api_version: str, kind: str, name: str, namespace: str | None = "team", **metadata: Any) -> dict[str, Any]:
    place = {"namespace": namespace} if namespace else {}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **place, **metadata}}


EXPECTED: dict[str, dict[str, Any]] = {
    "configmap": head("v1", "ConfigMap", "settings") | {"data": {"colour": "blue", "empty": ""}},
    "namespace": head("v1", "Namespace", "team", None),
    "secret": head("v1", "Secret", "login") | {"data": {"password": "aHVudGVyMg=="}},
    "serviceaccount": head("v1", "ServiceAccount", "robot"),
    "role": head(f"{RBAC}/v1", "Role", "reader")
    | {
        "rules": [
            {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["configmaps"]},
            {"verbs": ["get", "list"], "apiGroups": ["apps"], "resources": ["deployments"]},
        ]
    },
    "clusterrole": head(f"{RBAC}/v1", "ClusterRole", "nr", None)
    | {"rules": [{"verbs": ["get"], "nonResourceURLs": ["/metrics"]}]},
    "rolebinding": head(f"{RBAC}/v1", "RoleBinding", "robot")
    | {
        "subjects": [
            {"kind": "User", "apiGroup": RBAC, "name": "ann"},
            {"kind": "ServiceAccount", "name": "robot", "namespace": "team"},
        ],
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "reader"},
    },
    "deployment": head("apps/v1", "Deployment", "web", labels={"app": "web"})
    | {
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "containers": [{"name": "nginx", "image": "nginx:1.27", "ports": [{"containerPort": 80}]}],
                },
            },
        }
    },
    "token": {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": ["hub"], "expirationSeconds": 600},
    },
    "can-i": {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"namespace": "team", "verb": "get", "resource": "pods"}},
    },
    "can-i-list": {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": "team"},
    },
    "whoami": {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
    "pdb": head("policy/v1", "PodDisruptionBudget", "budget")
    | {"spec": {"minAvailable": "50%", "selector": {"matchLabels": {"app": "web"}}}},
    "quota": head("v1", "ResourceQuota", "limits") | {"spec": {"hard": {"cpu": "1500m", "pods": "3"}}},
    "priorityclass": head("scheduling.k8s.io/v1", "PriorityClass", "high", None)
    | {"value": 1000, "preemptionPolicy": "PreemptLowerPriority"},
    "service": head("v1", "Service", "web", labels={"app": "web"})
    | {
        "spec": {
            "ports": [{"name": "80-8080", "protocol": "TCP", "port": 80, "targetPort": 8080}],
            "selector": {"app": "web"},
            "type": "NodePort",
        }
    },
    "job": head("batch/v1", "Job", "once")
    | {
        "spec": {
            "template": {
                "spec": {
                    "containers": [{"name": "once", "image": "busybox", "command": ["echo", "hi"]}],
                    "restartPolicy": "Never",
                }
            }
        }
    },
    "cronjob": head("batch/v1", "CronJob", "nightly")
    | {
        "spec": {
            "schedule": "0 3 * * *",
            "jobTemplate": {
                "metadata": {"name": "nightly"},
                "spec": {
                    "template": {
                        "spec": {
                            "containers": [{"name": "nightly", "image": "busybox"}],
                            "restartPolicy": "OnFailure",
                        }
                    }
                },
            },
        }
    },
    "ingress": head("networking.k8s.io/v1", "Ingress", "front")
    | {
        "spec": {
            "tls": [{"hosts": ["a.example.com"], "secretName": "cert"}],
            "rules": [
                {
                    "host": "a.example.com",
                    "http": {
                        "paths": [
                            {
                                "path": "/",
                                "backend": {"service": {"name": "web", "port": {"number": 80}}},
                                "pathType": "Prefix",
                            }
                        ]
                    },
                }
            ],
        }
    },
}


def test_every_recording_has_an_expectation() -> None:
    assert sorted(EXPECTED) == RECORDINGS


@pytest.mark.parametrize("name", RECORDINGS)
def test_bodies_of_kubectl(name: str) -> None:
    assert decode(recording(name)) == EXPECTED[name]


def tagged(number: int, data: bytes) -> bytes:
    assert len(data) < 128
    return bytes([number << 3 | 2, len(data)]) + data


def body(api_version: str, kind: str, raw: bytes) -> bytes:
    return MAGIC + tagged(1, tagged(1, api_version.encode()) + tagged(2, kind.encode())) + tagged(2, raw)


def test_delete_options_in_any_group() -> None:
    raw = b"\x08\x05" + tagged(2, tagged(1, b"some-uid")) + tagged(4, b"Foreground") + tagged(5, b"All")
    expected = {
        "kind": "DeleteOptions",
        "gracePeriodSeconds": 5,
        "preconditions": {"uid": "some-uid"},
        "propagationPolicy": "Foreground",
        "dryRun": ["All"],
    }
    for version in ("v1", "apps/v1", "placement.kubernetes-fleet.io/v1beta1"):
        assert decode(body(version, "DeleteOptions", raw)) == {"apiVersion": version} | expected


def test_unknown_fields_and_groups_are_skipped() -> None:
    unknown = b"\xf8\x01\x07" + b"\xf1\x01" + bytes(8) + b"\xf5\x01" + bytes(4) + b"\xfb\x01\x08\x01\xfc\x01"
    raw = unknown + tagged(1, tagged(1, b"a")) + unknown
    assert decode(body("v1", "Namespace", raw)) == head("v1", "Namespace", "a", None)


def test_repeated_numbers_packed_or_not() -> None:
    def pod(groups: bytes) -> dict[str, Any]:
        context = tagged(14, groups)
        return decode(body("v1", "Pod", tagged(2, context)))

    expected = {"supplementalGroups": [1, 300]}
    assert pod(b"\x20\x01\x20\xac\x02")["spec"]["securityContext"] == expected
    assert pod(b"\x22\x03\x01\xac\x02")["spec"]["securityContext"] == expected


def test_a_message_given_twice_is_merged() -> None:
    raw = tagged(1, tagged(1, b"a")) + tagged(1, tagged(3, b"ns"))
    assert decode(body("v1", "ConfigMap", raw))["metadata"] == {"name": "a", "namespace": "ns"}


def test_a_map_value_left_out_is_empty() -> None:
    assert decode(body("v1", "ConfigMap", tagged(2, tagged(1, b"k"))))["data"] == {"k": ""}


def test_times() -> None:
    moment = b"\x08\x80\xa0\xf1\xca\x06"
    raw = tagged(1, tagged(8, moment) + tagged(9, b""))
    assert decode(body("v1", "ConfigMap", raw))["metadata"] == {"creationTimestamp": "2026-01-05T23:57:52Z"}
    lease = tagged(2, tagged(4, moment + b"\x10\xe8\x07"))
    assert decode(body("coordination.k8s.io/v1", "Lease", lease))["spec"]["renewTime"] == "2026-01-05T23:57:52.000001Z"


def test_an_object_within_an_object() -> None:
    inner = body("v1", "ConfigMap", tagged(1, tagged(1, b"a")))
    raw = tagged(2, tagged(1, inner))
    data = decode(body("apps/v1", "ControllerRevision", raw))["data"]
    assert data == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "magic"),
        (b"{}", "magic"),
        (MAGIC, 'no kind "" is registered for version ""'),
        (MAGIC + b"\x0a", "unexpected end"),
        (MAGIC + b"\x0a\x05ab", "unexpected end"),
        (MAGIC + b"\xff" * 12, "longer than 64 bits"),
        (MAGIC + b"\x02\x00", "field number 0"),
        (MAGIC + b"\x0f", "wire type 7"),
        (MAGIC + b"\x0c", "a group ends that did not begin"),
        (MAGIC + b"\x0b", "unexpected end"),
        (MAGIC + b"\x08\x01", "wire type 0 where bytes belong"),
        (body("v1", "Wibble", b""), 'no kind "Wibble" is registered for version "v1"'),
        (body("v1", "ConfigMap", b"\x22\x00"), "wire type 2 where a number belongs"),
        (body("v1", "ConfigMap", tagged(1, tagged(8, b"\x08" + b"\xff" * 8 + b"\x7f"))), "a time out of range"),
        (body("v1", "ResourceQuota", tagged(2, tagged(1, tagged(2, tagged(1, b"much"))))), "quantities must match"),
        (body("apps/v1", "ControllerRevision", tagged(2, tagged(1, b"{"))), "embedded JSON"),
    ],
)
def test_malformed_bodies_are_bad_requests(data: bytes, message: str) -> None:
    with pytest.raises(StatusError, match=message) as caught:
        decode(data)
    assert caught.value.code == 400


def test_bodies_nested_without_end_are_refused() -> None:
    schema = b""
    for _ in range(200):
        schema = _long(28, schema)  # "not", itself a schema
    version = _long(4, _long(1, schema))
    data = MAGIC + tagged(1, tagged(1, b"apiextensions.k8s.io/v1") + tagged(2, b"CustomResourceDefinition"))
    with pytest.raises(StatusError, match="nested too deep"):
        decode(data + _long(2, _long(2, _long(7, version))))


def _size(size: int) -> bytes:
    out = bytearray()
    while size > 127:
        out.append(size & 127 | 128)
        size >>= 7
    return bytes([*out, size])


def _long(number: int, data: bytes) -> bytes:
    return _size(number << 3 | 2) + _size(len(data)) + data


def refuses_or_decodes(data: bytes) -> None:
    code = 400
    try:
        decode(data)
    except StatusError as refused:
        code = refused.code
    assert code == 400


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_rubbish_is_refused(data: bytes) -> None:
    refuses_or_decodes(MAGIC + data)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(RECORDINGS), st.data())
def test_damaged_bodies_are_refused_or_decoded(name: str, data: st.DataObject) -> None:
    damaged = bytearray(recording(name))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(4, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    refuses_or_decodes(bytes(damaged[: data.draw(st.integers(4, len(damaged)))]))
