"""What can be chosen when a hub is installed: the values of the Helm chart, and of ``echelon hub install --values``.

The names and shapes are those of other charts. Whatever is a mapping or a list of Kubernetes' own goes into the
Deployment as it is. Nothing here is a secret: credentials come from the environment of the pods (a workload
identity, an ``envFrom`` or a volume that names a Secret).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml

from echelon.api import names
from echelon.hub.settings import BadSettings, settings_of

Object = dict[str, Any]


class BadValues(ValueError):
    """Values cannot be used; the message says which and why."""


class _Values(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A part of the values."""


class Image(_Values, frozen=True, kw_only=True):
    """The image of the hub. Without ``tag``, that of this version."""

    repository: str = names.IMAGE
    tag: str = ""
    pull_policy: str = "IfNotPresent"


class Account(_Values, frozen=True, kw_only=True):
    """The service account of the hub; its annotations may tie it to an identity in a cloud."""

    annotations: Mapping[str, str] = {}


class Values(_Values, frozen=True, kw_only=True):
    """All values, with their defaults."""

    image: Image = Image()
    image_pull_secrets: list[Object] = []
    replicas: Annotated[int, msgspec.Meta(ge=0)] = 2
    settings: Object = msgspec.field(default_factory=lambda: {"dialect": "azure-docs"})
    service_account: Account = Account()
    resources: Object = msgspec.field(
        default_factory=lambda: {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "2Gi"}}
    )
    env: list[Object] = []
    env_from: list[Object] = []
    volumes: list[Object] = []
    volume_mounts: list[Object] = []
    pod_labels: Mapping[str, str] = {}
    pod_annotations: Mapping[str, str] = {}
    node_selector: Mapping[str, str] = {}
    tolerations: list[Object] = []
    create_namespace: bool = False


MEANINGS: Mapping[str, str] = {
    "image": "The image of the hub; without a tag, that of this version.",
    "imagePullSecrets": "Secrets with which the image is pulled: [{name: …}].",
    "replicas": "Replicas; one of them works, the others stand by. None: the controllers are run elsewhere.",
    "settings": "How the controllers behave; see docs/install.md.",
    "serviceAccount": "Annotations of the service account, such as those of a workload identity.",
    "resources": "What a replica needs and may take.",
    "env": "More environment variables, and whole Secrets or ConfigMaps of them (envFrom).",
    "volumes": "More volumes, and where they are mounted.",
    "podLabels": "More labels and annotations of the pods.",
    "nodeSelector": "Where the pods may run.",
    "createNamespace": "Whether the namespace is part of the release; without it, helm install --create-namespace.",
}
"""What is said of values in ``values.yaml``."""


def values_of(content: Mapping[str, Any] | None, where: str) -> Values:
    """Values as they stand in ``where``; what is not named is as it is by default, as with Helm.

    Raises:
        BadValues: something in it is no value.
    """
    if not isinstance(content or {}, Mapping):
        raise BadValues(f"{where}: want a mapping of values, not {type(content).__name__}")
    try:
        values = msgspec.convert(_over(msgspec.to_builtins(Values()), content or {}), Values)
        settings_of(values.settings, f"{where}: settings")
    except msgspec.ValidationError as error:
        raise BadValues(f"{where}: {error}") from error
    except BadSettings as error:
        raise BadValues(str(error)) from error
    return values


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> Object:
    """Values over others: mappings are merged, all else is replaced, and null takes away."""
    merged = dict(below)
    for key, value in above.items():
        present = merged.get(key)
        if value is None:
            merged.pop(key, None)
        else:
            both = isinstance(value, Mapping) and isinstance(present, Mapping)
            merged[key] = _over(present, value) if both else value  # type: ignore[arg-type]
    return merged


def read_values(path: Path) -> Values:
    """Read a file of values.

    Raises:
        BadValues: there is no such file, or it cannot be used.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise BadValues(f"cannot read the values {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise BadValues(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    return values_of(content, str(path))


class _Dumper(yaml.SafeDumper):
    """YAML as the template function ``toYaml`` writes it: what needs quotes has double ones."""

    def choose_scalar_style(self) -> str:
        style: str = super().choose_scalar_style()
        return '"' if style == "'" else style


def settings_text(settings: Mapping[str, Any]) -> str:
    """Settings as they stand in the ConfigMap."""
    return yaml.dump(dict(settings), Dumper=_Dumper, default_flow_style=False, allow_unicode=True, width=1_000_000)
