"""Services and ingresses.

Addresses and node ports are derived from the uid of a service, since a hook sees one object only:
two services of one cluster share an address with a chance of one in a million. Nothing routes
traffic here, so that a clash would be a blemish, not a fault.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterator

from echelon.apiserver import names
from echelon.apiserver.builtin.hooks.base import Faults, KindHooks, duplicate
from echelon.apiserver.builtin.hooks.pods import port_number
from echelon.apiserver.definitions import Object
from echelon.apiserver.errors import FieldError, invalid_value, required, unsupported_value

SERVICE_NETWORK = ipaddress.IPv4Network("10.96.0.0/12")
_RESERVED = 256
_NODE_PORTS = range(30000, 32768)


def _pick(seed: str, size: int) -> int:
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big") % size


def _address(uid: str) -> str:
    room = SERVICE_NETWORK.num_addresses - _RESERVED - 1
    return str(SERVICE_NETWORK[_RESERVED + _pick(uid, room)])


def _give_addresses(spec: Object, uid: str) -> None:
    if spec.get("type") == "ExternalName":
        return
    address = spec.setdefault("clusterIP", (spec.get("clusterIPs") or [_address(uid)])[0])
    spec.setdefault("clusterIPs", [address])
    if address != "None" or spec.get("selector"):
        spec.setdefault("ipFamilies", ["IPv6" if ":" in address else "IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")


def _give_node_ports(spec: Object, uid: str) -> None:
    if spec.get("type") not in ("NodePort", "LoadBalancer") or spec.get("allocateLoadBalancerNodePorts") is False:
        return
    ports = spec.get("ports", ())
    taken = {port["nodePort"] for port in ports if port.get("nodePort")}
    for port in ports:
        attempt = 0
        while not port.get("nodePort"):
            seed = f"{uid}/{port.get('port', 0)}/{port.get('protocol')}/{attempt}"
            candidate = _NODE_PORTS[_pick(seed, len(_NODE_PORTS))]
            if candidate not in taken:
                taken.add(candidate)
                port["nodePort"] = candidate
            attempt += 1


def _service_created(service: Object) -> None:
    uid = service["metadata"].get("uid", "")
    _give_addresses(service["spec"], uid)
    _give_node_ports(service["spec"], uid)
    service["status"] = {"loadBalancer": {}}


_ADDRESS_FIELDS = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")


def _service_updated(service: Object, old: Object) -> None:
    """An update that leaves out what was allocated keeps it."""
    spec, before = service["spec"], old["spec"]
    if spec.get("type") != "ExternalName" and before.get("type") != "ExternalName":
        for field in _ADDRESS_FIELDS:
            if field in before and not spec.get(field):
                spec[field] = before[field]
    if spec.get("type") in ("NodePort", "LoadBalancer"):
        ports = {(port.get("protocol"), port.get("port")): port for port in before.get("ports", ())}
        for port in spec.get("ports", ()):
            known = ports.get((port.get("protocol"), port.get("port")), {})
            if "nodePort" not in port and "nodePort" in known:
                port["nodePort"] = known["nodePort"]
    uid = service["metadata"].get("uid", "")
    _give_addresses(spec, uid)
    _give_node_ports(spec, uid)


def _service(service: Object, old: Object | None, subresource: str) -> Faults:
    spec = service["spec"]
    kind, ports = spec.get("type"), spec.get("ports", [])
    if kind == "ExternalName":
        name = spec.get("externalName", "").rstrip(".")
        if not name:
            yield required("spec.externalName")
        for fault in names.dns_subdomain(name) if name else ():
            yield invalid_value("spec.externalName", name, fault)
    elif not ports and spec.get("clusterIP") != "None":
        yield required("spec.ports")
    yield from _service_ports(ports)
    if old is None or "ExternalName" in (kind, old["spec"].get("type")):
        return
    before = old["spec"].get("clusterIPs", [])
    if before and spec.get("clusterIPs", [])[:1] != before[:1]:
        yield invalid_value("spec.clusterIPs[0]", spec.get("clusterIPs", []), "may not change once set")


def _service_ports(ports: list[Object]) -> Iterator[FieldError]:
    seen_names: set[str] = set()
    seen: set[tuple[object, object]] = set()
    for index, port in enumerate(ports):
        path = f"spec.ports[{index}]"
        name = port.get("name", "")
        if not name and len(ports) > 1:
            yield required(f"{path}.name")
        elif name:
            for fault in names.dns_label(name):
                yield invalid_value(f"{path}.name", name, fault)
            if name in seen_names:
                yield duplicate(f"{path}.name", name)
        seen_names.add(name)
        yield from port_number(port.get("port", 0), f"{path}.port")
        if isinstance(port.get("targetPort"), int):
            yield from port_number(port["targetPort"], f"{path}.targetPort")
        key = (port.get("protocol"), port.get("port"))
        if key in seen:
            yield FieldError("FieldValueDuplicate", path, f"Duplicate value: {_shown(port)}")
        seen.add(key)


def _shown(port: Object) -> str:
    return f'{{"protocol":"{port.get("protocol", "")}","port":{port.get("port", 0)}}}'


_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")


def _ingress(ingress: Object, old: Object | None, subresource: str) -> Faults:
    spec = ingress.get("spec", {})
    rules = spec.get("rules", ())
    if not rules and "defaultBackend" not in spec:
        yield invalid_value("spec", spec, "either `defaultBackend` or `rules` must be specified")
    for index, rule in enumerate(rules):
        for place, path in enumerate(rule.get("http", {}).get("paths", ())):
            where = f"spec.rules[{index}].http.paths[{place}]"
            kind, value = path.get("pathType"), path.get("path", "")
            if kind is None:
                yield required(f"{where}.pathType", "pathType must be specified")
            elif kind not in _PATH_TYPES:
                yield unsupported_value(f"{where}.pathType", kind, _PATH_TYPES)
            elif kind != "ImplementationSpecific" and not value.startswith("/"):
                yield invalid_value(f"{where}.path", value, "must be an absolute path")


NETWORKING_HOOKS = {
    "core.Service": KindHooks(create=_service_created, update=_service_updated, check=_service),
    "networking.Ingress": KindHooks(check=_ingress),
}
