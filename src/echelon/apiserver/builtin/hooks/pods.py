"""Pods and the templates that workloads make them from."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator

from echelon.apiserver import names
from echelon.apiserver.builtin import quantity
from echelon.apiserver.builtin.hooks.base import Faults, KindHooks, duplicate, not_negative
from echelon.apiserver.definitions import Object
from echelon.apiserver.errors import FieldError, forbidden_field, invalid_value, required

_PORT_FAULT = "must be between 1 and 65535, inclusive"
_ENV_NAME = re.compile(r"[ -<>-~]+")
_ENV_FAULT = "a valid environment variable name must consist only of printable ASCII characters other than '='"


def is_port(number: object) -> bool:
    return isinstance(number, int) and 1 <= number <= 65535


def port_number(number: int, path: str) -> Iterator[FieldError]:
    if not is_port(number):
        yield invalid_value(path, number, _PORT_FAULT)


def pod_spec(spec: Object, path: str) -> Iterator[FieldError]:
    """What must hold of a pod's spec, wherever it stands."""
    volumes = [volume.get("name", "") for volume in spec.get("volumes", ())]
    yield from _names(volumes, f"{path}.volumes")
    containers = spec.get("containers", ())
    if not containers:
        yield required(f"{path}.containers")
    seen: list[str] = []
    for field in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(field, ())):
            where = f"{path}.{field}[{index}]"
            name = container.get("name", "")
            if name in seen:
                yield duplicate(f"{where}.name", name)
            seen.append(name)
            yield from _container(container, where, volumes)
    yield from not_negative(spec, path, "terminationGracePeriodSeconds")
    if "activeDeadlineSeconds" in spec and not 1 <= spec["activeDeadlineSeconds"] < 2**31:
        why = "must be between 1 and 2147483647, inclusive"
        yield invalid_value(f"{path}.activeDeadlineSeconds", spec["activeDeadlineSeconds"], why)


def _names(found: list[str], path: str) -> Iterator[FieldError]:
    for index, name in enumerate(found):
        if name:
            for fault in names.dns_label(name):
                yield invalid_value(f"{path}[{index}].name", name, fault)
            if name in found[:index]:
                yield duplicate(f"{path}[{index}].name", name)


def _container(container: Object, path: str, volumes: list[str]) -> Iterator[FieldError]:
    name = container.get("name", "")
    for fault in names.dns_label(name) if name else ():
        yield invalid_value(f"{path}.name", name, fault)
    if not container.get("image"):
        yield required(f"{path}.image")
    for index, port in enumerate(container.get("ports", ())):
        number = port.get("containerPort", 0)
        if number == 0:
            yield required(f"{path}.ports[{index}].containerPort")
        else:
            yield from port_number(number, f"{path}.ports[{index}].containerPort")
        if port.get("hostPort"):
            yield from port_number(port["hostPort"], f"{path}.ports[{index}].hostPort")
    for index, variable in enumerate(container.get("env", ())):
        name = variable.get("name", "")
        if name and not _ENV_NAME.fullmatch(name):
            yield invalid_value(f"{path}.env[{index}].name", name, _ENV_FAULT)
        if variable.get("value") and "valueFrom" in variable:
            yield invalid_value(f"{path}.env[{index}].valueFrom", "", "may not be specified when `value` is not empty")
    yield from _mounts(container, path, volumes)
    yield from _resources(container.get("resources", {}), f"{path}.resources")


def _mounts(container: Object, path: str, volumes: list[str]) -> Iterator[FieldError]:
    taken: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts", ())):
        name, place = mount.get("name", ""), mount.get("mountPath", "")
        if name and name not in volumes:
            yield FieldError("FieldValueNotFound", f"{path}.volumeMounts[{index}].name", f'Not found: "{name}"')
        if place in taken:
            yield invalid_value(f"{path}.volumeMounts[{index}].mountPath", place, "must be unique")
        taken.add(place)


def _resources(resources: Object, path: str) -> Iterator[FieldError]:
    limits, requests = resources.get("limits", {}), resources.get("requests", {})
    for section, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in amounts.items():
            if quantity.parse(amount) < 0:
                yield invalid_value(f"{path}.{section}[{name}]", amount, "must be greater than or equal to 0")
    for name, request in requests.items():
        if name in limits and quantity.parse(request) > quantity.parse(limits[name]):
            why = f"must be less than or equal to {name} limit of {limits[name]}"
            yield invalid_value(f"{path}.requests", request, why)


def quality_of_service(spec: Object) -> str:
    """Guaranteed when limits and requests for processor and memory are equal, BestEffort when there are none."""
    containers = [*spec.get("containers", ()), *spec.get("initContainers", ())]
    resources = [container.get("resources", {}) for container in containers]
    if not any(
        entry.get(part, {}).keys() & {"cpu", "memory"} for entry in resources for part in ("limits", "requests")
    ):
        return "BestEffort"
    for entry in resources:
        limits, requests = entry.get("limits", {}), entry.get("requests", {})
        if not all(limits.get(name) and requests.get(name, limits[name]) == limits[name] for name in ("cpu", "memory")):
            return "Burstable"
    return "Guaranteed"


def _pod_created(pod: Object) -> None:
    pod["status"] = {"phase": "Pending", "qosClass": quality_of_service(pod["spec"])}


_CHANGEABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def _unchangeable(spec: Object) -> Object:
    """The spec without what an update may change. A pod without a node may be given one."""
    kept = copy.deepcopy(spec)
    for field in ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "schedulingGates"):
        kept.pop(field, None)
    for field in ("containers", "initContainers"):
        for container in kept.get(field, ()):
            container.pop("image", None)
    return kept


def _pod(pod: Object, old: Object | None, subresource: str) -> Faults:
    yield from pod_spec(pod["spec"], "spec")
    if old is None:
        return
    before, after = _unchangeable(old["spec"]), _unchangeable(pod["spec"])
    if "nodeName" not in before:
        after.pop("nodeName", None)
    if before != after:
        yield forbidden_field("spec", _CHANGEABLE)


def _pod_template(template: Object, old: Object | None, subresource: str) -> Faults:
    return pod_spec(template.get("template", {}).get("spec", {}), "template.spec")


POD_HOOKS = {
    "core.Pod": KindHooks(create=_pod_created, check=_pod),
    "core.PodTemplate": KindHooks(check=_pod_template),
}
