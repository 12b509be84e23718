"""Columns of services, their endpoints, ingresses and network policies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from echelon.apiserver.builtin.columns.base import (
    NAME,
    NONE,
    UNSET,
    age_column,
    column,
    field,
    find,
    joined,
    pairs,
    selector,
)
from echelon.apiserver.clock import Clock
from echelon.apiserver.definitions import Column, Object

_SHOWN = 3


def networking_columns(clock: Clock) -> dict[str, Sequence[Column]]:
    age = age_column(clock)
    return {
        "core.Service": (
            NAME,
            field("Type", "spec.type"),
            column("Cluster-IP", lambda obj: find(obj, "spec.clusterIP") or NONE),
            column("External-IP", _external_address),
            column("Port(s)", _service_ports),
            age,
            column("Selector", lambda obj: pairs(find(obj, "spec.selector")), wide=True),
        ),
        "networking.Ingress": (
            NAME,
            field("Class", "spec.ingressClassName", empty=NONE),
            column("Hosts", _hosts),
            column("Address", _load_balancer),
            column("Ports", lambda obj: "80, 443" if find(obj, "spec.tls") else "80"),
            age,
        ),
        "networking.IngressClass": (
            NAME,
            field("Controller", "spec.controller"),
            column("Parameters", _parameters),
            age,
        ),
        "networking.NetworkPolicy": (
            NAME,
            column("Pod-Selector", lambda obj: selector(find(obj, "spec.podSelector", {}))),
            age,
        ),
        "discovery.EndpointSlice": (
            NAME,
            field("AddressType", "addressType"),
            column(
                "Ports", lambda obj: _limited([str(port.get("port", "")) for port in obj.get("ports") or ()], UNSET)
            ),
            column("Endpoints", lambda obj: _limited(_addresses(obj), UNSET)),
            age,
        ),
    }


def _load_balancer(obj: Object) -> str:
    entries = find(obj, "status.loadBalancer.ingress", ())
    return ",".join(entry.get("ip") or entry.get("hostname", "") for entry in entries)


def _external_address(service: Object) -> str:
    spec = service.get("spec", {})
    external = spec.get("externalIPs", [])
    match spec.get("type"):
        case "ExternalName":
            return spec.get("externalName") or NONE
        case "LoadBalancer":
            found = [text for text in (_load_balancer(service), ",".join(external)) if text]
            return ",".join(found) or "<pending>"
    return joined(external)


def _service_ports(service: Object) -> str:
    def shown(port: dict[str, Any]) -> str:
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        return f"{port.get('port', 0)}{node}/{port.get('protocol', 'TCP')}"

    return joined(map(shown, find(service, "spec.ports", ())))


def _hosts(ingress: Object) -> str:
    hosts = [rule["host"] for rule in find(ingress, "spec.rules", ()) if rule.get("host")]
    return _limited(hosts, "*")


def _limited(items: list[str], empty: str) -> str:
    more = len(items) - _SHOWN
    text = ",".join(items[:_SHOWN]) or empty
    return f"{text} + {more} more..." if more > 0 else text


def _addresses(endpoints: Object) -> list[str]:
    return [address for endpoint in endpoints.get("endpoints") or () for address in endpoint.get("addresses", ())]


def _parameters(ingress_class: Object) -> str:
    parameters = find(ingress_class, "spec.parameters")
    if parameters is None:
        return NONE
    group = parameters.get("apiGroup")
    kind = f"{parameters.get('kind', '')}.{group}" if group else parameters.get("kind", "")
    return f"{kind}/{parameters.get('name', '')}"
