"""The Helm chart, made from the manifests that ``echelon hub install`` applies.

``python -m echelon.hub.chart DIR`` writes it; what is under ``deploy/charts`` is checked in, and a test keeps it
equal to what is made here. The manifests are made once with a hole in the place of each value; in the text that
becomes of them, holes turn into expressions of the template language. Only a little of that language is used:
``.Values``, ``.Release.Namespace``, ``.Chart.AppVersion``, ``quote``, ``default``, ``toYaml``, ``nindent``,
``sha256sum``, ``with``, ``if``, and one ``range`` over the files of the kinds.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from echelon import __version__
from echelon.api import roles
from echelon.hub import manifests
from echelon.hub.older import QUANTITIES
from echelon.hub.values import MEANINGS, Account, Image, Values

Object = dict[str, Any]

_NAMESPACE = "HOLExNAMESPACE"
_HOLE = re.compile(r"^(?P<indent> *)(?P<item>- )?(?:(?P<key>[\w./-]+): )?HOLEx(?P<kind>[A-Z]+)x(?P<path>\w+)(?:: '')?$")
_KINDS = """\
{{- range $path, $content := .Files.Glob "kinds/*.yaml" }}
---
{{ $.Files.Get $path }}
{{- end }}
"""


def files() -> Mapping[str, str]:
    """The files of the chart by their path, but for those of the kinds, which are ``deploy/crds``."""
    templates = {
        "namespace": _templates([manifests.namespace_object(_NAMESPACE)]),
        "roles": _templates(roles.manifests()),
        "access": _templates(manifests.access(_NAMESPACE, _hole("WHOLE", "serviceAccount_annotations"))),
        "settings": _templates([manifests.settings_object(_NAMESPACE, _hole("TEXT", "settings"))]),
        "hub": _templates(
            [
                manifests.service(_NAMESPACE),
                manifests.disruption_budget(_NAMESPACE),
                manifests.deployment(_values(), _NAMESPACE, _hole("IMAGE", "image"), _hole("DIGEST", "settings")),
            ]
        ),
        "kinds": _KINDS,
    }
    only_if_wanted = "{{- if .Values.createNamespace }}\n"
    templates["namespace"] = f"{only_if_wanted}{templates['namespace']}{{{{- end }}}}\n"
    return {
        "Chart.yaml": yaml.safe_dump(_chart(), sort_keys=False, allow_unicode=True, width=120),
        "values.yaml": values_yaml(),
        **{f"templates/{name}.yaml": text for name, text in templates.items()},
    }


def values_yaml() -> str:
    """The default values, each with its meaning."""
    lines = []
    for name, value in msgspec.to_builtins(Values()).items():
        if name in MEANINGS:
            lines += ["", f"# {MEANINGS[name]}"]
        lines.append(yaml.safe_dump({name: value}, sort_keys=False, allow_unicode=True, width=120).rstrip())
    return "\n".join(["# What can be chosen; echelon hub install --values takes the same.", *lines, ""])


def write(folder: Path) -> None:
    """Write the chart into a folder; its kinds are a link to ``deploy/crds``."""
    (folder / "templates").mkdir(parents=True, exist_ok=True)
    for stale in set((folder / "templates").iterdir()) - {folder / name for name in files()}:
        stale.unlink()
    for name, text in files().items():
        (folder / name).write_text(text, encoding="utf-8")
    link = folder / "kinds"
    if not link.is_symlink():
        link.symlink_to(Path("..", "..", "crds"), target_is_directory=True)


def _chart() -> Object:
    return {
        "apiVersion": "v2",
        "name": "echelon",
        "description": "The hub of an Echelon fleet: staged rollouts of workloads and of cluster upgrades",
        "type": "application",
        "version": __version__,
        "appVersion": __version__,
        "kubeVersion": f">={'.'.join(map(str, QUANTITIES))}.0-0",  # older servers need other definitions
    }


def _values() -> Values:
    """Values with holes: whole values, and items that come after those that are always there."""

    def items(path: str) -> list[Any]:
        return [_hole("MORE", path)]

    def entries(path: str) -> dict[str, Any]:
        return {_hole("MORE", path): ""}

    return Values(
        image=Image(pull_policy=_hole("PLAIN", "image_pullPolicy")),
        image_pull_secrets=_hole("WHOLE", "imagePullSecrets"),
        replicas=_hole("PLAIN", "replicas"),
        service_account=Account(annotations=_hole("WHOLE", "serviceAccount_annotations")),
        resources=_hole("WHOLE", "resources"),
        env=items("env"),
        env_from=_hole("WHOLE", "envFrom"),
        volumes=items("volumes"),
        volume_mounts=items("volumeMounts"),
        pod_labels=entries("podLabels"),
        pod_annotations=entries("podAnnotations"),
        node_selector=_hole("WHOLE", "nodeSelector"),
        tolerations=_hole("WHOLE", "tolerations"),
    )


def _hole(kind: str, path: str) -> Any:
    """What stands for a value while a manifest is made; ``path`` has an underscore for each dot."""
    return f"HOLEx{kind}x{path}"


class _Dumper(yaml.SafeDumper):
    """YAML without anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _templates(objects: Sequence[Mapping[str, Any]]) -> str:
    """Objects with holes as the text of a template."""
    text = "---\n".join(
        yaml.dump(dict(obj), Dumper=_Dumper, sort_keys=False, width=1_000_000, allow_unicode=True) for obj in objects
    )
    filled = "".join(f"{_fill(line)}\n" for line in text.splitlines())
    return filled.replace(_NAMESPACE, "{{ .Release.Namespace | quote }}")


def _fill(line: str) -> str:
    found = _HOLE.match(line)
    if found is None:
        assert "HOLEx" not in line.replace(_NAMESPACE, ""), line
        return line
    indent, value = found["indent"], f".Values.{found['path'].replace('_', '.')}"
    key = f"{indent}{found['item'] or ''}{found['key']}:"
    match found["kind"]:
        case "PLAIN":
            return f"{key} {{{{ {value} }}}}"
        case "WHOLE":
            depth = len(indent) + 2 * bool(found["item"]) + 2
            return f"{key}\n{' ' * depth}{{{{- toYaml {value} | nindent {depth} }}}}"
        case "MORE":
            return f"{indent}{{{{- with {value} }}}}{{{{ toYaml . | nindent {len(indent)} }}}}{{{{- end }}}}"
        case "TEXT":
            return f"{key} |\n{indent}  {{{{- toYaml {value} | nindent {len(indent) + 2} }}}}"
        case "DIGEST":
            return f"{key} {{{{ toYaml {value} | sha256sum | quote }}}}"
        case "IMAGE":
            return f'{key} "{{{{ {value}.repository }}}}:{{{{ {value}.tag | default .Chart.AppVersion }}}}"'
        case kind:
            raise AssertionError(kind)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m echelon.hub.chart DIR")
    write(Path(sys.argv[1]))
