"""As much of Helm as the chart uses: templates with values, rendered to objects.

Known: paths (``.Values.x.y``, ``.Release.Namespace``, ``.Chart.AppVersion``, ``.``), pipelines of ``toYaml``,
``nindent``, ``quote``, ``default`` and ``sha256sum``, ``with`` and ``if`` over a path, and a ``range`` over files
that prints each of them. Anything else is an error.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_RANGE = re.compile(
    r'\{\{- range \$path, \$content := \.Files\.Glob "(?P<glob>[^"]+)" \}\}\n'
    r"---\n\{\{ \$\.Files\.Get \$path \}\}\n\{\{- end \}\}"
)
_BLOCK = re.compile(r"\s*\{\{- (?P<word>with|if) (?P<path>\S+) \}\}(?P<body>.*?)\s*\{\{- end \}\}", re.DOTALL)
_EXPRESSION = re.compile(r"(?P<trimmed>\s*\{\{-|\{\{) (?P<pipeline>.*?) \}\}")


def render(chart: Path, namespace: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The objects of a chart; ``values`` go over its own as ``--values`` does."""
    own = yaml.safe_load((chart / "values.yaml").read_text())
    metadata = yaml.safe_load((chart / "Chart.yaml").read_text())
    context = {
        "Values": _over(own, values),
        "Release": {"Namespace": namespace},
        "Chart": {"AppVersion": metadata["appVersion"]},
    }
    texts = (_render(path.read_text(), context, chart) for path in sorted((chart / "templates").glob("*.yaml")))
    return [obj for text in texts for obj in yaml.safe_load_all(text) if obj]


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _over(merged[key], value) if both else value
    return merged


def _render(text: str, context: Any, chart: Path) -> str:
    def files(found: re.Match[str]) -> str:
        return "".join(f"\n---\n{path.read_text()}\n" for path in sorted(chart.glob(found["glob"])))

    def block(found: re.Match[str]) -> str:
        value = _look_up(found["path"], context)
        if not value:
            return ""
        return _render(found["body"], {"": value} if found["word"] == "with" else context, chart)

    def expression(found: re.Match[str]) -> str:
        return _evaluate(found["pipeline"], context)

    return _EXPRESSION.sub(expression, _BLOCK.sub(block, _RANGE.sub(files, text)))


def _evaluate(pipeline: str, context: Any) -> str:
    parts = [part.split() for part in pipeline.split(" | ")]
    value = _look_up(parts[0][-1], context)
    for function in reversed(parts[0][:-1]):
        value = _call(function, [], value, context)
    for name, *arguments in parts[1:]:
        value = _call(name, arguments, value, context)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _call(function: str, arguments: list[str], value: Any, context: Any) -> Any:
    match function, arguments:
        case "toYaml", []:
            return _to_yaml(value)
        case "nindent", [depth]:
            return "".join(f"\n{' ' * int(depth)}{line}" for line in value.splitlines())
        case "quote", []:
            return json.dumps(str(value))
        case "default", [path]:
            return value or _look_up(path, context)
        case "sha256sum", []:
            return hashlib.sha256(value.encode()).hexdigest()
    raise AssertionError(f"the chart uses {function} {arguments}, which is not known here")


def _look_up(path: str, context: Any) -> Any:
    if path == ".":
        return context[""]
    assert path.startswith("."), path
    for part in path[1:].split("."):
        context = context[part]
    return context


class _DoubleQuotes(yaml.SafeDumper):
    def choose_scalar_style(self) -> str:
        style = super().choose_scalar_style()
        return '"' if style == "'" else style


def _to_yaml(value: Any) -> str:
    return yaml.dump(value, Dumper=_DoubleQuotes, default_flow_style=False, allow_unicode=True, width=10**6).rstrip(
        "\n"
    )
