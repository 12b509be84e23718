"""The values of options: names, versions, labels, what is to be skipped. Each says what it accepts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import click

from echelon.api.fleet import NAME_PATTERN
from echelon.api.names import UPDATE_GROUP

_NAME = re.compile(NAME_PATTERN)
_VERSION = re.compile(r"[vV]?(\d+\.\d+(?:\.\d+)?)", re.ASCII)
_MINOR = re.compile(r"\d+\.\d+", re.ASCII)
_MAX_NAME = 50
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?", re.ASCII)


class Name(click.ParamType[str]):
    """A name of something that runs are about."""

    name = "name"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not _NAME.fullmatch(value) or len(value) > _MAX_NAME:
            self.fail(f"{value!r} is not at most {_MAX_NAME} lower-case letters, digits and inner hyphens", param, ctx)
        return value


class KubernetesVersion(click.ParamType[str]):
    """A Kubernetes version, with or without its patch: ``1.31.1``, ``v1.31``."""

    name = "version"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        found = _VERSION.fullmatch(value)
        if found is None:
            self.fail(f"{value!r} is not a Kubernetes version; want one such as 1.31.1 or 1.31", param, ctx)
        return found[1]


class MinorVersion(click.ParamType[str]):
    """A minor version of Kubernetes: ``1.31``."""

    name = "version"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not _MINOR.fullmatch(value):
            self.fail(f"{value!r} is not a minor version of Kubernetes; want one such as 1.31", param, ctx)
        return value


class Labels(click.ParamType[Mapping[str, str]]):
    """Labels in one text: ``"team=fleet env=prod"``; an empty text is none."""

    name = "labels"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Mapping[str, str]:
        labels: dict[str, str] = {}
        for pair in str(value).split():
            key, separator, content = pair.partition("=")
            if not separator or not key:
                self.fail(
                    f'{pair!r} is no label; want key=value, several with spaces: "team=fleet env=prod"', param, ctx
                )
            if key in labels:
                self.fail(f"the label {key!r} is given twice", param, ctx)
            if key == UPDATE_GROUP:
                self.fail(f"the label {key!r} is what --update-group sets", param, ctx)
            labels[key] = content
        return labels


class Seconds(click.ParamType[float]):
    """A duration: ``30m``, ``1h30m``, ``45s`` or a number of seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value)
        found = _DURATION.fullmatch(text)
        if text.replace(".", "", 1).isdecimal() and text.isascii():
            return float(text)
        if not text or found is None:
            self.fail(f"{text!r} is not a duration; want hours, minutes and seconds such as 1h30m or 45s", param, ctx)
        hours, minutes, seconds = (float(part or 0) for part in found.groups())
        return hours * 3600 + minutes * 60 + seconds


NAME = Name()


def name_option(*spellings: str) -> Callable[[Any], Any]:
    """The option ``-n``, under whatever other spellings this command has it."""
    return click.option("-n", "--name", *spellings, "name", type=NAME, required=True, help="Its name.")
