"""Update runs. What makes no sense is refused by the hub; a new run that it refuses is taken back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from echelon.api.conditions import INITIALIZED, find_condition
from echelon.api.fleet import SkipTarget, UpdateRun
from echelon.arm import versions
from echelon.arm.call import Call, Reply, found, object_of
from echelon.arm.envelope import enveloped
from echelon.arm.errors import ArmError, invalid, not_allowed
from echelon.arm.handlers.members import cluster_ids
from echelon.arm.ids import is_name
from echelon.arm.translation.runs import RUNS, run_to, spec_from, targets_from
from echelon.arm.waiting import settled
from echelon.arm.writing import replace_spec
from echelon.kube.errors import Conflict
from echelon.kube.kinds import Unstructured

LONGEST = 50
_RUN = Unstructured(UpdateRun.resource)
_TRIES = 5


async def shown(call: Call, run: UpdateRun) -> dict[str, Any]:
    """A run as it is on the wire."""
    return _shown(call, run, await cluster_ids(call))


def _shown(call: Call, run: UpdateRun, ids: Mapping[str, str]) -> dict[str, Any]:
    id_ = call.fleet.of(RUNS, run.metadata.name)
    return enveloped(run.metadata, id_, RUNS, run_to(run, call.fleet, ids))


async def get(call: Call) -> Reply:
    return Reply(body=await shown(call, await call.client.get(UpdateRun, call.name)))


async def list_(call: Call) -> Reply:
    runs, ids = (await call.client.list(UpdateRun)).items, await cluster_ids(call)
    return call.page(runs, lambda run: run.metadata.name, f"{call.fleet}/{RUNS}", lambda run: _shown(call, run, ids))


async def put(call: Call) -> Reply:
    """Create a run, or change one that was not started."""
    present: UpdateRun | None = await found(call.client.get(UpdateRun, call.name))
    call.check_preconditions(present)
    spec = spec_from(call.properties, present, lambda body: versions.shaped(body, call.version))
    if present is None:
        return await _create(call, spec)
    if spec == msgspec.to_builtins(present.spec):
        return Reply(body=await shown(call, present))
    changed = await _replace(call, present, spec)
    planned = await _planned(call, changed)
    if problem := _problem(planned):
        await _replace(call, planned, msgspec.to_builtins(present.spec))
        raise _refused(problem)
    return Reply(body=await shown(call, planned))


async def _create(call: Call, spec: Mapping[str, Any]) -> Reply:
    if not is_name(call.name, LONGEST):
        raise invalid(f"{call.names['name']!r} is no name; want 1 to 50 lower-case letters, digits and dashes", "name")
    metadata = {"name": call.name, "annotations": await call.notes(created=True)}
    written = await call.client.create({**_RUN.plain({}), "metadata": metadata, "spec": spec}, _RUN)
    run = await _planned(call, msgspec.convert(written, UpdateRun))
    if problem := _problem(run):
        await call.client.delete(UpdateRun, call.name, uid=run.metadata.uid, missing_ok=True)
        raise _refused(problem)
    return Reply(status=201, body=await shown(call, run))


async def _replace(call: Call, run: UpdateRun, spec: Mapping[str, Any]) -> UpdateRun:
    return await replace_spec(call.client, run, spec, await call.notes(created=False))


async def _planned(call: Call, run: UpdateRun) -> UpdateRun:
    """The run once the hub has looked at it as it is now."""

    def is_looked_at(seen: UpdateRun) -> bool:
        condition = find_condition(seen.status.conditions, INITIALIZED)
        return condition is not None and condition.observed_generation >= run.metadata.generation

    return await settled(call.client, run, is_looked_at) or run


def _problem(run: UpdateRun) -> str:
    condition = find_condition(run.status.conditions, INITIALIZED)
    return condition.message if condition is not None and condition.status == "False" else ""


def _refused(problem: str) -> ArmError:
    return invalid(
        problem.replace("spec.updateStrategyName", "properties.updateStrategyId").replace("spec.", "properties.")
    )


async def delete(call: Call) -> Reply:
    run: UpdateRun | None = await found(call.client.get(UpdateRun, call.name))
    if run is None:
        return Reply(status=204)
    call.check_preconditions(run)
    await call.client.delete(UpdateRun, call.name, uid=run.metadata.uid, missing_ok=True)
    return Reply(status=200)


# -- what is asked of a run ---------------------------------------------------------------------


async def start(call: Call) -> Reply:
    rules = call.rules.runs
    return await _intend(call, rules.start_problems, rules.started, idempotent=lambda run: False)


async def stop(call: Call) -> Reply:
    rules = call.rules.runs
    return await _intend(call, rules.stop_problems, rules.stopped, idempotent=lambda run: run.spec.state == "Stop")


async def skip(call: Call) -> Reply:
    asked = targets_from(object_of(call.body, ""))
    try:
        targets: Sequence[SkipTarget] = msgspec.convert(asked, tuple[SkipTarget, ...])
    except msgspec.ValidationError as error:
        raise invalid(
            f"{error}; a target has a type (Member, Group, Stage, AfterStageWait) and a name", "targets"
        ) from error
    rules = call.rules.runs
    return await _intend(
        call,
        lambda run: rules.skip_problems(run, targets),
        lambda run: rules.skipping(run, targets),
        idempotent=lambda run: set(targets) <= set(run.spec.skips),
    )


async def _intend(
    call: Call,
    problems: Callable[[UpdateRun], Sequence[object]],
    changed: Callable[[UpdateRun], UpdateRun],
    *,
    idempotent: Callable[[UpdateRun], bool],
) -> Reply:
    """Write what is asked of a run into it, and show the run once the hub has heard of it."""
    for tries in range(_TRIES):
        run = await call.client.get(UpdateRun, call.name)
        call.check_preconditions(run)
        if idempotent(run):
            return Reply(body=await shown(call, run))
        if found_problems := problems(run):
            raise not_allowed(_in_arm(str(found_problems[0])))
        try:
            written = await _replace(call, run, msgspec.to_builtins(changed(run).spec))
        except Conflict:
            if tries == _TRIES - 1:
                raise
            continue
        return Reply(body=await shown(call, await _heard(call, written)))
    raise AssertionError("unreachable: the last try raises or returns")


async def _heard(call: Call, run: UpdateRun) -> UpdateRun:
    generation = run.metadata.generation
    return await settled(call.client, run, lambda seen: seen.status.observed_generation >= generation) or run


def _in_arm(problem: str) -> str:
    return problem.replace("spec.skips[", "targets[")
