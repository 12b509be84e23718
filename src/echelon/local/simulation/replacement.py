"""How a simulated node looks at each point of being replaced. Pure."""

from __future__ import annotations

import msgspec

from echelon.api.core import Node, Taint
from echelon.api.meta import Clock, format_time
from echelon.api.names import NODE_IMAGE, OWN_PREFIX
from echelon.local.simulation.cluster import node_info, ready_condition
from echelon.upgrade.providers.contract import Operation
from echelon.upgrade.providers.simulated.platform import image_of, kubelet_version
from echelon.upgrade.versions import ImageVersion, KubeVersion

REPLACING = OWN_PREFIX + "replacing"
"""Annotation of a node that is being replaced; ``cordoned`` if a user had cordoned it before, else ``free``."""
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"


def is_under_way(node: Node) -> bool:
    """Whether the replacement of a node has begun and not ended."""
    return REPLACING in node.metadata.annotations


def is_behind(node: Node, operation: Operation) -> bool:
    """Whether an operation has to replace a node."""
    return (_version_after(node, operation), _image_after(node, operation)) != (kubelet_version(node), image_of(node))


def cordoned(node: Node, clock: Clock) -> Node:
    """Marked as being replaced, and open to no new pods."""
    if is_under_way(node):
        return node
    before = "cordoned" if node.spec.unschedulable else "free"
    taints = tuple(taint for taint in node.spec.taints if taint.key != UNSCHEDULABLE)
    taint = Taint(key=UNSCHEDULABLE, effect="NoSchedule", time_added=format_time(clock.now()))
    annotations = {**node.metadata.annotations, REPLACING: before}
    return msgspec.structs.replace(
        node,
        metadata=msgspec.structs.replace(node.metadata, annotations=annotations),
        spec=msgspec.structs.replace(node.spec, unschedulable=True, taints=(*taints, taint)),
    )


def not_ready(node: Node, clock: Clock) -> Node:
    """Emptied and switched off."""
    return _with_readiness(node, clock, ready=False)


def replaced(node: Node, operation: Operation, clock: Clock) -> Node:
    """There again, with what the operation brings. What names the image follows in ``released``."""
    status = msgspec.structs.replace(
        node.status, node_info=node_info(_version_after(node, operation), _image_after(node, operation))
    )
    return _with_readiness(msgspec.structs.replace(node, status=status), clock, ready=True)


def released(node: Node, operation: Operation) -> Node:
    """Open to pods again, unless a user had closed it."""
    annotations = dict(node.metadata.annotations)
    keep_closed = annotations.pop(REPLACING, "") == "cordoned"
    labels = dict(node.metadata.labels)
    if image := _image_after(node, operation):
        labels[NODE_IMAGE] = image
    taints = node.spec.taints if keep_closed else tuple(t for t in node.spec.taints if t.key != UNSCHEDULABLE)
    return msgspec.structs.replace(
        node,
        metadata=msgspec.structs.replace(node.metadata, annotations=annotations, labels=labels),
        spec=msgspec.structs.replace(node.spec, unschedulable=keep_closed, taints=taints),
    )


def _with_readiness(node: Node, clock: Clock, *, ready: bool) -> Node:
    wanted = ready_condition(clock, ready=ready)
    if any(c.type == wanted.type and c.status == wanted.status for c in node.status.conditions):
        return node
    others = tuple(condition for condition in node.status.conditions if condition.type != wanted.type)
    return msgspec.structs.replace(node, status=msgspec.structs.replace(node.status, conditions=(*others, wanted)))


def _version_after(node: Node, operation: Operation) -> str:
    present, target = kubelet_version(node), operation.node_version
    if target is None or KubeVersion.parse(present) >= KubeVersion.parse(target):
        return present
    return target


def _image_after(node: Node, operation: Operation) -> str:
    present = image_of(node)
    if not present:
        return present
    image = ImageVersion.parse(present)
    wanted = [ImageVersion.parse(text) for text in operation.node_images]
    return str(max(other for other in (image, *wanted) if other.family == image.family))
