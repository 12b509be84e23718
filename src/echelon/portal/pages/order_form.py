"""The part of a form in which stages are put together by hand, and back again.

Fields come in the order of the page. A field ``stage`` begins a stage, a field ``group`` a group of the stage before
it, and the fields up to the next one are its own. So rows are added and removed by the browser without names that
have numbers in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from echelon.api.fleet import GateConfiguration, UpdateGroup, UpdateRunStrategy, UpdateStage
from echelon.portal.page import Form

_COUNT = re.compile(r"[1-9][0-9]{0,5}|([1-9][0-9]?|100)%")
_FAILURES = re.compile(r"[0-9]{1,6}|([0-9]|[1-9][0-9]|100)%")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_WAIT = re.compile(r"(?:(\d+)\s*d)?\s*(?:(\d+)\s*h)?\s*(?:(\d+)\s*m(?:in)?)?\s*(?:(\d+)\s*s?)?")


class GroupFields(Struct, frozen=True, kw_only=True):
    """A group as it stands in the form. A gate is the name of an approval, or empty for none."""

    name: str = ""
    concurrency: str = ""
    failures: str = ""
    before: str = ""
    after: str = ""


class StageFields(Struct, frozen=True, kw_only=True):
    """A stage as it stands in the form."""

    name: str = ""
    concurrency: str = ""
    failures: str = ""
    wait: str = ""
    before: str = ""
    after: str = ""
    groups: tuple[GroupFields, ...] = (GroupFields(),)


FIRST: tuple[StageFields, ...] = (StageFields(),)
"""What a new form has."""


def stages_in(form: Form) -> tuple[StageFields, ...]:
    """The stages of a form as they were filled in."""
    return tuple(_stage(part) for part in _split(form.fields, "stage"))


def _split(fields: Sequence[tuple[str, str]], marker: str) -> Iterator[list[tuple[str, str]]]:
    """The fields after each marker, up to the next one."""
    part: list[tuple[str, str]] | None = None
    for name, value in fields:
        if name == marker:
            if part is not None:
                yield part
            part = []
        elif part is not None:
            part.append((name, value.strip()))
    if part is not None:
        yield part


def _stage(fields: list[tuple[str, str]]) -> StageFields:
    own = {name.removeprefix("stage_"): value for name, value in fields if name.startswith("stage_")}
    groups = tuple(
        GroupFields(
            **{
                name.removeprefix("group_"): value
                for name, value in part
                if name.removeprefix("group_") in GroupFields.__struct_fields__ and name.startswith("group_")
            }
        )
        for part in _split(fields, "group")
    )
    known = {name: value for name, value in own.items() if name in StageFields.__struct_fields__}
    return StageFields(**known, groups=groups)


# -- to an order --------------------------------------------------------------------------------


def order_of(stages: Sequence[StageFields], problems: list[str]) -> UpdateRunStrategy | None:
    """The order that was filled in; what is wrong with it is added to ``problems``, and then there is none."""
    found = [_built(stage, f"Stage {number}", problems) for number, stage in enumerate(stages, 1)]
    if not stages:
        problems.append("An order needs at least one stage.")
    return None if problems else UpdateRunStrategy(stages=tuple(found))


def _built(stage: StageFields, place: str, problems: list[str]) -> UpdateStage:
    where = f"{place} ({stage.name})" if stage.name else place
    if not stage.groups:
        problems.append(f"{where} needs at least one group.")
    return UpdateStage(
        name=_named(stage.name, where, problems),
        groups=tuple(
            UpdateGroup(
                name=_named(group.name, f"group {number} of {where}", problems),
                max_concurrency=_limit(group.concurrency, 1, f"{where}, {group.name}", problems),
                max_allowed_failures=_failures(group.failures, f"{where}, {group.name}", problems),
                before_gates=_gates(group.before),
                after_gates=_gates(group.after),
            )
            for number, group in enumerate(stage.groups, 1)
        ),
        max_concurrency=_limit(stage.concurrency, 50, where, problems),
        max_allowed_failures=_failures(stage.failures, where, problems),
        before_gates=_gates(stage.before),
        after_gates=_gates(stage.after),
        after_stage_wait_in_seconds=_wait(stage.wait, where, problems),
    )


def _named(name: str, where: str, problems: list[str]) -> str:
    if not _NAME.fullmatch(name) or len(name) > 50:
        problems.append(f"The name of {where}: {name!r} is to be lower-case letters, digits and hyphens, at most 50.")
    return name


def _limit(text: str, default: int, where: str, problems: list[str]) -> int | str:
    if not text:
        return default
    if not _COUNT.fullmatch(text):
        problems.append(f"{where}: {text!r} members at a time; want a count from 1, or a percentage such as 25%.")
    return int(text) if text.isdecimal() else text


def _failures(text: str, where: str, problems: list[str]) -> int | str | None:
    if not text:
        return None
    if not _FAILURES.fullmatch(text):
        problems.append(f"{where}: {text!r} failures allowed; want a count from 0, or a percentage such as 10%.")
    return int(text) if text.isdecimal() else text


def _gates(name: str) -> tuple[GateConfiguration, ...]:
    return (GateConfiguration(type="Approval", display_name=name[:100]),) if name else ()


def _wait(text: str, where: str, problems: list[str]) -> int:
    """Seconds of a wait such as ``1h 30min``, ``90s`` or ``90``."""
    if not text:
        return 0
    found = _WAIT.fullmatch(text.lower())
    if found is None or not any(found.groups()):
        problems.append(f"{where}: {text!r} is no wait; want such as 90s, 15min, 1h or 1d 12h.")
        return 0
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


# -- from an order ------------------------------------------------------------------------------


def fields_of(order: UpdateRunStrategy) -> tuple[StageFields, ...] | None:
    """An order as fields; None for one that has more to it than the form: selectors, several or scheduled gates."""
    parts: list[UpdateStage | UpdateGroup] = [
        *order.stages,
        *(group for stage in order.stages for group in stage.groups),
    ]
    if any(map(_is_special, parts)):
        return None
    return tuple(
        StageFields(
            name=stage.name,
            concurrency="" if stage.max_concurrency == 50 else str(stage.max_concurrency),
            failures=_shown(stage.max_allowed_failures),
            wait=_written(stage.after_stage_wait_in_seconds),
            before=_gate(stage.before_gates),
            after=_gate(stage.after_gates),
            groups=tuple(
                GroupFields(
                    name=group.name,
                    concurrency="" if group.max_concurrency == 1 else str(group.max_concurrency),
                    failures=_shown(group.max_allowed_failures),
                    before=_gate(group.before_gates),
                    after=_gate(group.after_gates),
                )
                for group in stage.groups
            ),
        )
        for stage in order.stages
    )


def _is_special(part: UpdateStage | UpdateGroup) -> bool:
    gates = (*part.before_gates, *part.after_gates)
    several = len(part.before_gates) > 1 or len(part.after_gates) > 1
    return part.member_selector is not None or several or any(gate.type != "Approval" for gate in gates)


def _gate(gates: Sequence[GateConfiguration]) -> str:
    return (gates[0].display_name or "Approval") if gates else ""


def _shown(limit: int | str | None) -> str:
    return "" if limit is None else str(limit)


def _written(seconds: int) -> str:
    parts = ((seconds // 3600, "h"), (seconds % 3600 // 60, "min"), (seconds % 60, "s"))
    return " ".join(f"{count}{unit}" for count, unit in parts if count)
