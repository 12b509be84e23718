"""A provider that does what a test tells it, for all members at once."""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec.structs import replace

from echelon.api.fleet import ErrorDetail
from echelon.api.meta import Clock
from echelon.api.upgrade import ClusterUpgrade, ClusterUpgradeStatus
from echelon.kube.client import Client
from echelon.kube.controller import Controller, For, Request, Result
from echelon.kube.manager import Manager
from echelon.upgrade import moments
from echelon.upgrade.fleet import has_ended, member_name


class Behaviour(NamedTuple):
    """What becomes of the upgrades of a member.

    They take ``seconds`` (None: until the behaviour changes) and end in ``outcome``; while ``held`` says something,
    they wait for that instead, until ``not_before`` if that is given. A silent provider does nothing at all.
    """

    seconds: float | None = 10.0
    outcome: str = "Completed"
    message: str = ""
    held: str = ""
    not_before: str | None = None
    silent: bool = False


HANG = Behaviour(seconds=None)
FAIL = Behaviour(outcome="Failed", message="the node would not drain")
SKIP = Behaviour(seconds=0.0, outcome="Skipped", message="nothing to do")
SILENT = Behaviour(silent=True)


class Begun(NamedTuple):
    """An upgrade that a provider began."""

    member: str
    attempt: int


class FakeProvider:
    """Plays upgrades; ``begun`` is all that ever began, in order, ``most`` how many went on at a time."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self.begun: list[Begun] = []
        self.most = 0
        self.otherwise = Behaviour()
        self._behaviour: dict[str, Behaviour] = {}
        self._client = client
        self._clock = clock
        self._seen: set[str] = set()
        self.manager = Manager(client)
        self._controller = Controller("fake-provider", self._reconcile, For(ClusterUpgrade), workers=8)
        self.manager.add(self._controller)

    def behave(self, member: str, behaviour: Behaviour) -> None:
        """What becomes of a member's upgrades from now on, also of the one that it has."""
        self._behaviour[member] = behaviour
        for upgrade in self.manager.cache.list(ClusterUpgrade):
            if member_name(upgrade) == member:
                self._controller.enqueue(Request(*upgrade.key))

    def began(self) -> list[str]:
        """The members whose upgrade began, in order."""
        return [begun.member for begun in self.begun]

    async def _reconcile(self, request: Request) -> Result | None:
        upgrade = self.manager.cache.get(ClusterUpgrade, request.key)
        if upgrade is None or has_ended(upgrade):
            return None
        behaviour = self._behaviour.get(member_name(upgrade), self.otherwise)
        if behaviour.silent:
            return None
        if behaviour.held and upgrade.status.state == "Pending":
            error = ErrorDetail(code="Busy", message=behaviour.held)
            await self._write(upgrade, message=behaviour.held, error=error, not_before=behaviour.not_before)
            return None
        if upgrade.status.state == "Pending":
            self._note(upgrade)
            now = moments.write(self._clock.now())
            operation = f"operation-{len(self.begun)}"
            upgrade = await self._write(
                upgrade, state="Running", start_time=now, operation_id=operation, message="", error=None,
                not_before=None,
            )  # fmt: skip
        return await self._go_on(upgrade, behaviour)

    async def _go_on(self, upgrade: ClusterUpgrade, behaviour: Behaviour) -> Result | None:
        begun = moments.read(upgrade.status.start_time)
        if behaviour.seconds is None or begun is None:
            return None
        left = behaviour.seconds - (self._clock.now() - begun).total_seconds()
        if left > 1e-6:
            return Result(requeue_after=left)
        message = behaviour.message
        error = ErrorDetail(code="Drain", message=message) if behaviour.outcome == "Failed" else None
        now = moments.write(self._clock.now())
        await self._write(upgrade, state=behaviour.outcome, completed_time=now, message=message, error=error)
        return None

    def _note(self, upgrade: ClusterUpgrade) -> None:
        if upgrade.metadata.uid in self._seen:
            return
        self._seen.add(upgrade.metadata.uid)
        self.begun.append(Begun(member_name(upgrade), upgrade.spec.attempt))
        going_on = sum(other.status.state == "Running" for other in self.manager.cache.list(ClusterUpgrade))
        self.most = max(self.most, going_on + 1)

    async def _write(self, upgrade: ClusterUpgrade, **fields: Any) -> ClusterUpgrade:
        status: ClusterUpgradeStatus = replace(
            upgrade.status, observed_generation=upgrade.metadata.generation, **fields
        )
        return await self._client.patch_status(upgrade, replace(upgrade, status=status), lock=True)
