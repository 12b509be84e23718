"""The built-in resources: how each is named, scoped, shown and kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from echelon.apiserver.builtin import autoscaling, columns, events, notation
from echelon.apiserver.builtin.hooks import HOOKS
from echelon.apiserver.builtin.schema import BuiltinSchema
from echelon.apiserver.clock import Clock, SystemClock
from echelon.apiserver.definitions import Conversion, NoHooks, ResourceDefinition, Scale, Version

REPLICAS = Scale(spec_replicas=".spec.replicas", status_replicas=".status.replicas", selector=".spec.selector")
"""Where workloads keep their size. Their selector is an object, which the scale subresource shows as text."""

AUTOSCALER = "autoscaling2.HorizontalPodAutoscaler"
_ALL = ("all",)
_EXTENSIONS = ("api-extensions",)
_POD_FIELDS = (
    "spec.hostNetwork",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.nominatedNodeName",
    "status.phase",
    "status.podIP",
)


class _Maker:
    """Makes definitions that share a clock."""

    def __init__(self, clock: Clock) -> None:
        self._columns = columns.all_columns(clock)

    def stored(
        self,
        key: str,
        plural: str,
        *short_names: str,
        cluster: bool = False,
        categories: Sequence[str] = (),
        scale: Scale | None = None,
        fields: Sequence[str] = (),
        name_rule: str = "dns-subdomain",
        generation: bool = False,
        storage_group: str | None = None,
        conversion: Conversion | None = None,
    ) -> ResourceDefinition:
        """A kind whose objects are stored, or a view of another's."""
        entry = notation.find(key)
        version = Version(
            name=entry.version,
            schema=BuiltinSchema(key),
            columns=self._columns.get(key) or columns.created_at(),
            status=any(field.name == "status" for field in entry.fields),
            scale=scale,
            selectable_fields=fields,
            conversion=conversion,
        )
        return ResourceDefinition(
            group=entry.group,
            plural=plural,
            singular=entry.name.lower(),
            kind=entry.name,
            list_kind=f"{entry.name}List",
            namespaced=not cluster,
            storage_version=entry.version,
            versions={entry.version: version},
            short_names=short_names,
            categories=categories,
            builtin=True,
            hooks=HOOKS.get(key, NoHooks()),
            name_rule=name_rule,
            generation=generation,
            storage_group=storage_group,
        )

    def autoscaler(self) -> ResourceDefinition:
        """Autoscalers, stored at v2 and served at v1 too; tables show both alike."""
        stored = self.stored(AUTOSCALER, "horizontalpodautoscalers", "hpa", categories=_ALL)
        newest = stored.versions["v2"]
        older = Version(
            name="v1",
            schema=BuiltinSchema("autoscaling.HorizontalPodAutoscaler"),
            columns=[
                msgspec.structs.replace(column, value=lambda obj, value=column.value: value(autoscaling.to_v2(obj)))
                for column in newest.columns
            ],
            status=True,
            conversion=Conversion(read=autoscaling.from_v2, write=autoscaling.to_v2),
        )
        return msgspec.structs.replace(stored, versions={"v2": newest, "v1": older})


def _review(key: str, plural: str, namespaced: bool = False) -> ResourceDefinition:
    """A question that is answered at once and not stored."""
    entry = notation.find(key)
    return ResourceDefinition(
        group=entry.group,
        plural=plural,
        singular=entry.name.lower(),
        kind=entry.name,
        list_kind=f"{entry.name}List",
        namespaced=namespaced,
        storage_version=entry.version,
        versions={entry.version: Version(name=entry.version, schema=BuiltinSchema(key))},
        builtin=True,
        verbs=("create",),
        generation=False,
        virtual=True,
    )


def builtin_definitions(clock: Clock | None = None) -> list[ResourceDefinition]:
    """All built-in resources. The clock tells the time for ages in tables."""
    maker = _Maker(clock or SystemClock())
    groups: Sequence[Callable[[_Maker], list[ResourceDefinition]]] = (_core, _workloads, _access, _cluster)
    return [definition for group in groups for definition in group(maker)] + _reviews()


def _core(maker: _Maker) -> list[ResourceDefinition]:
    stored = maker.stored
    return [
        stored("core.ConfigMap", "configmaps", "cm"),
        stored("core.Namespace", "namespaces", "ns", cluster=True, fields=("status.phase",), name_rule="dns-label"),
        stored("core.Secret", "secrets", fields=("type",)),
        stored("core.ServiceAccount", "serviceaccounts", "sa"),
        stored(
            "core.Service",
            "services",
            "svc",
            categories=_ALL,
            fields=("spec.clusterIP", "spec.type"),
            name_rule="dns-1035-label",
        ),
        stored("core.Endpoints", "endpoints", "ep"),
        stored("core.Event", "events", "ev", fields=events.EVENT_FIELDS),
        stored("core.Node", "nodes", "no", cluster=True, fields=("spec.unschedulable",)),
        stored("core.Pod", "pods", "po", categories=_ALL, fields=_POD_FIELDS, generation=True),
        stored("core.PodTemplate", "podtemplates", generation=True),
        stored("core.PersistentVolume", "persistentvolumes", "pv", cluster=True),
        stored("core.PersistentVolumeClaim", "persistentvolumeclaims", "pvc"),
        stored(
            "core.ReplicationController",
            "replicationcontrollers",
            "rc",
            categories=_ALL,
            scale=REPLICAS,
            fields=("status.replicas",),
            generation=True,
        ),
        stored("core.ResourceQuota", "resourcequotas", "quota"),
        stored("core.LimitRange", "limitranges", "limits"),
    ]


def _workloads(maker: _Maker) -> list[ResourceDefinition]:
    stored = maker.stored
    return [
        stored("apps.Deployment", "deployments", "deploy", categories=_ALL, scale=REPLICAS, generation=True),
        stored(
            "apps.ReplicaSet",
            "replicasets",
            "rs",
            categories=_ALL,
            scale=REPLICAS,
            fields=("status.replicas",),
            generation=True,
        ),
        stored("apps.StatefulSet", "statefulsets", "sts", categories=_ALL, scale=REPLICAS, generation=True),
        stored("apps.DaemonSet", "daemonsets", "ds", categories=_ALL, generation=True),
        stored("apps.ControllerRevision", "controllerrevisions"),
        stored("batch.Job", "jobs", categories=_ALL, generation=True),
        stored("batch.CronJob", "cronjobs", "cj", categories=_ALL, generation=True),
        maker.autoscaler(),
        stored("policy.PodDisruptionBudget", "poddisruptionbudgets", "pdb", generation=True),
        stored("networking.NetworkPolicy", "networkpolicies", "netpol", generation=True),
        stored("networking.Ingress", "ingresses", "ing", generation=True),
        stored("networking.IngressClass", "ingressclasses", cluster=True, generation=True),
        stored("discovery.EndpointSlice", "endpointslices", generation=True),
        stored(
            "events.Event",
            "events",
            "ev",
            fields=events.EVENTS_GROUP_FIELDS,
            storage_group="",
            conversion=Conversion(read=events.from_core, write=events.to_core),
        ),
    ]


def _access(maker: _Maker) -> list[ResourceDefinition]:
    stored = maker.stored
    return [
        stored("rbac.Role", "roles", name_rule="path-segment"),
        stored("rbac.RoleBinding", "rolebindings", name_rule="path-segment"),
        stored("rbac.ClusterRole", "clusterroles", cluster=True, name_rule="path-segment"),
        stored("rbac.ClusterRoleBinding", "clusterrolebindings", cluster=True, name_rule="path-segment"),
        stored(
            "certificates.CertificateSigningRequest",
            "certificatesigningrequests",
            "csr",
            cluster=True,
            fields=("spec.signerName",),
        ),
    ]


def _cluster(maker: _Maker) -> list[ResourceDefinition]:
    stored = maker.stored
    return [
        stored("coordination.Lease", "leases"),
        stored("storage.StorageClass", "storageclasses", "sc", cluster=True),
        stored("storage.CSIDriver", "csidrivers", cluster=True),
        stored("storage.CSINode", "csinodes", cluster=True),
        stored("storage.CSIStorageCapacity", "csistoragecapacities"),
        stored("storage.VolumeAttachment", "volumeattachments", cluster=True),
        stored("scheduling.PriorityClass", "priorityclasses", "pc", cluster=True, generation=True),
        stored(
            "admissionregistration.ValidatingWebhookConfiguration",
            "validatingwebhookconfigurations",
            cluster=True,
            categories=_EXTENSIONS,
            generation=True,
        ),
        stored(
            "admissionregistration.MutatingWebhookConfiguration",
            "mutatingwebhookconfigurations",
            cluster=True,
            categories=_EXTENSIONS,
            generation=True,
        ),
        stored(
            "admissionregistration.ValidatingAdmissionPolicy",
            "validatingadmissionpolicies",
            cluster=True,
            categories=_EXTENSIONS,
            generation=True,
        ),
        stored(
            "admissionregistration.ValidatingAdmissionPolicyBinding",
            "validatingadmissionpolicybindings",
            cluster=True,
            categories=_EXTENSIONS,
            generation=True,
        ),
        stored("apiregistration.APIService", "apiservices", cluster=True, categories=_EXTENSIONS),
        stored(
            "apiextensions.CustomResourceDefinition",
            "customresourcedefinitions",
            "crd",
            "crds",
            cluster=True,
            categories=_EXTENSIONS,
            generation=True,
        ),
    ]


def _reviews() -> list[ResourceDefinition]:
    return [
        _review("authentication.TokenReview", "tokenreviews"),
        _review("authentication.SelfSubjectReview", "selfsubjectreviews"),
        _review("authorization.SubjectAccessReview", "subjectaccessreviews"),
        _review("authorization.SelfSubjectAccessReview", "selfsubjectaccessreviews"),
        _review("authorization.SelfSubjectRulesReview", "selfsubjectrulesreviews"),
        _review("authorization.LocalSubjectAccessReview", "localsubjectaccessreviews", namespaced=True),
    ]
