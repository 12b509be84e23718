"""Agents that do what a test tells them, for all members at once."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

import msgspec

from echelon.api import names
from echelon.api.conditions import APPLIED, AVAILABLE, DIFF_REPORTED, set_condition
from echelon.api.meta import Clock, Condition
from echelon.api.work import ManifestCondition, Work, WorkResourceIdentifier, WorkStatus
from echelon.kube.client import Client
from echelon.kube.controller import Controller, For, Request
from echelon.kube.manager import Manager


class Behaviour(Enum):
    """What a member makes of its Works."""

    AVAILABLE = auto()
    NOT_YET = auto()  # applied, not available
    FAILED = auto()  # not applied
    SILENT = auto()  # says nothing, and lets nothing go
    UNTRACKABLE = auto()
    DIFF_REPORTED = auto()  # nothing applied, differences reported


class Effect(NamedTuple):
    """A Work that reached a member, in one version of its content."""

    member: str
    work: str
    index: str


class FakeAgents:
    """Answers Works at once; ``effects`` is all that ever reached a member, in order.

    ``otherwise`` is how members answer that were told nothing.
    """

    def __init__(self, client: Client, clock: Clock) -> None:
        self.effects: list[Effect] = []
        self._clock = clock
        self._client = client
        self._behaviour: dict[str, Behaviour] = {}
        self.otherwise = Behaviour.AVAILABLE
        self._seen: set[tuple[str, int]] = set()
        self.manager = Manager(client)
        self._controller = Controller("fake-agents", self._reconcile, For(Work))
        self.manager.add(self._controller)

    def behave(self, member: str, behaviour: Behaviour) -> None:
        """How a member answers from now on, also to the Works that it has."""
        self._behaviour[member] = behaviour
        for work in self.works(member):
            self._controller.enqueue(Request(*work.key))

    def works(self, member: str) -> list[Work]:
        return sorted(self.manager.cache.list(Work, names.member_namespace(member)), key=lambda work: work.key)

    def got(self, member: str) -> list[str]:
        """The snapshots that reached a member, by their index, in order."""
        return [effect.index for effect in self.effects if effect.member == member and effect.work.endswith("-work")]

    async def _reconcile(self, request: Request) -> None:
        work = self.manager.cache.get(Work, request.key)
        if work is None:
            return
        member = names.member_of_namespace(request.namespace) or ""
        behaviour = self._behaviour.get(member, self.otherwise)
        if behaviour is Behaviour.SILENT:
            return
        if work.metadata.deletion_timestamp is not None:
            metadata = msgspec.structs.replace(work.metadata, finalizers=())
            await self._client.patch_object(work, msgspec.structs.replace(work, metadata=metadata))
            return
        if (work.metadata.uid, work.metadata.generation) not in self._seen:
            self._seen.add((work.metadata.uid, work.metadata.generation))
            index = work.metadata.labels[names.PARENT_SNAPSHOT_INDEX]
            self.effects.append(Effect(member, work.metadata.name, index))
        await self._client.patch_status(
            work, msgspec.structs.replace(work, status=answer(work, behaviour, self._clock))
        )


def answer(work: Work, behaviour: Behaviour, clock: Clock) -> WorkStatus:
    """The status that a member gives a Work."""
    conditions: tuple[Condition, ...] = ()
    for type_, status, reason in _conditions(behaviour):
        condition = Condition(type_, status, reason, reason, observed_generation=work.metadata.generation)
        conditions = set_condition(
            (*conditions, *(c for c in work.status.conditions if c.type == type_)), condition, clock.now()
        )
    manifests = tuple(_manifests(work, conditions)) if behaviour is not Behaviour.AVAILABLE else ()
    return WorkStatus(conditions=conditions, manifest_conditions=manifests)


def _conditions(behaviour: Behaviour) -> Iterator[tuple[str, str, str]]:
    if behaviour is Behaviour.FAILED:
        yield APPLIED, "False", "SomeManifestsAreNotApplied"
        return
    if behaviour is Behaviour.DIFF_REPORTED:
        yield DIFF_REPORTED, "True", "AllManifestsDiffReported"
        return
    yield APPLIED, "True", "AllManifestsApplied"
    match behaviour:
        case Behaviour.NOT_YET:
            yield AVAILABLE, "False", "SomeManifestsAreNotAvailable"
        case Behaviour.UNTRACKABLE:
            yield AVAILABLE, "True", "WorkNotTrackable"
        case _:
            yield AVAILABLE, "True", "AllManifestsAvailable"


def _manifests(work: Work, conditions: tuple[Condition, ...]) -> Iterator[ManifestCondition]:
    for ordinal, manifest in enumerate(work.spec.workload.manifests):
        decoded = msgspec.json.decode(manifest)
        group, _, version = decoded["apiVersion"].rpartition("/")
        identifier = WorkResourceIdentifier(
            ordinal=ordinal,
            group=group,
            version=version,
            kind=decoded["kind"],
            namespace=decoded["metadata"].get("namespace", ""),
            name=decoded["metadata"]["name"],
        )
        yield ManifestCondition(identifier=identifier, conditions=conditions)
