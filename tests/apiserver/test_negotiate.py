"""Accept headers."""

from __future__ import annotations

import pytest

from echelon.apiserver.errors import StatusError
from echelon.apiserver.negotiate import Form, discovery_form, object_form

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Form()),
        ("*/*", Form()),
        ("application/json", Form()),
        ("application/json; charset=utf-8", Form()),
        ("application/yaml", Form("application/yaml")),
        ("application/vnd.kubernetes.protobuf,application/json", Form()),
        (TABLE, Form("application/json", "Table", "meta.k8s.io", "v1")),
        (
            f"{TABLE},application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
            Form("application/json", "Table", "meta.k8s.io", "v1"),
        ),
        ("application/json;as=Other;v=v1;g=meta.k8s.io, application/json", Form()),
        ("application/json;q=0.1, application/yaml;q=0.9", Form("application/yaml")),
        ("application/json;q=bad", Form()),
    ],
)
def test_objects(accept: str, form: Form) -> None:
    assert object_form(accept) == form


@pytest.mark.parametrize(
    "accept", ["application/xml", "application/vnd.kubernetes.protobuf", "application/json;as=Other"]
)
def test_nothing_acceptable(accept: str) -> None:
    with pytest.raises(StatusError) as refused:
        object_form(accept)
    assert refused.value.code == 406


def test_discovery_for_peers_is_not_given() -> None:
    asked = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    assert discovery_form(f"{asked};profile=nopeer,application/json").as_ == "APIGroupDiscoveryList"
    assert discovery_form(f"{asked};profile=peer,application/json").as_ == ""
