"""Applies one manifest on the member: reads what is there, decides whether it may be touched, writes what differs.

What to do follows from the apply strategy of the Work and from who owns the object (``ownership``):
an object that is not there is created; one of somebody else is taken over or not; one of the Work's
own is applied, unless it drifted and the strategy says to leave it. ``ReportDiff`` writes nothing.

A verdict is remembered with the object that it was about: while manifest, strategy and object (its
status aside) stay as they are, so does the verdict, and neither write nor comparison is repeated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from echelon.agent import client_side, server_side
from echelon.agent.comparison import Incomparable, compare, compare_whole
from echelon.agent.manifests import Identity, Manifest, scope_problem
from echelon.agent.ownership import is_owned, objection, reference_to, with_owner, without_owner
from echelon.agent.watching import MemberWatch, Object, Place
from echelon.api import names
from echelon.api.conditions import (
    MANIFEST_APPLIED,
    MANIFEST_APPLIED_WITHOUT_DRIFT_DETECTION,
    MANIFEST_APPLY_FAILED,
    MANIFEST_DECODING_FAILED,
    MANIFEST_DIFF_FAILED,
    MANIFEST_DIFF_FOUND,
    MANIFEST_DIFF_FOUND_DEGRADED,
    MANIFEST_DRIFT_DETECTION_FAILED,
    MANIFEST_DRIFTED,
    MANIFEST_DRIFTED_DEGRADED,
    MANIFEST_NO_DIFF,
    MANIFEST_NOT_FOUND,
    MANIFEST_NOT_TAKEN_OVER,
    MANIFEST_TAKE_OVER_FAILED,
)
from echelon.api.meta import Resource
from echelon.api.placement import ApplyStrategy, PatchDetail
from echelon.api.work import AppliedWork
from echelon.kube.client import Client
from echelon.kube.errors import AlreadyExists, ApiError, NotFound
from echelon.kube.kinds import Key, Unstructured
from echelon.kube.mapper import NoSuchKind
from echelon.kube.patches import ApplyPatch, MergePatch

_APPLIED = frozenset({MANIFEST_APPLIED, MANIFEST_APPLIED_WITHOUT_DRIFT_DETECTION})
_REPORTED = frozenset({MANIFEST_DIFF_FOUND, MANIFEST_DIFF_FOUND_DEGRADED, MANIFEST_NO_DIFF})
_DIFF_FOUND = "Diff has been found between the hub cluster and the member cluster"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a manifest.

    ``live`` is the object as it is now, None when it is not there. ``retry``: it failed for a reason
    that may go away unseen, or nobody would tell of a change. ``wrote``: something was sent.
    """

    manifest: Manifest
    resource: str = ""
    reason: str
    message: str
    live: Object | None = None
    drifts: tuple[PatchDetail, ...] = ()
    diffs: tuple[PatchDetail, ...] = ()
    place: Place | None = None
    retry: bool = False
    wrote: bool = False

    @property
    def applied(self) -> bool:
        return self.reason in _APPLIED

    @property
    def diff_reported(self) -> bool:
        return self.reason in _REPORTED


class _Verdict(msgspec.Struct, frozen=True):
    """An outcome that stands while what it was about stays as it is."""

    about: bytes
    outcome: Outcome


class _Stop(Exception):
    """The end of the way of a manifest before it was applied."""

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        retry: bool = False,
        drifts: tuple[PatchDetail, ...] = (),
        diffs: tuple[PatchDetail, ...] = (),
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry = retry
        self.drifts = drifts
        self.diffs = diffs


class _Task(msgspec.Struct, frozen=True):
    """A manifest on its way."""

    manifest: Manifest
    resource: Resource
    key: Key
    work: str
    strategy: ApplyStrategy
    owner: AppliedWork | None

    @property
    def kind(self) -> Unstructured:
        return Unstructured(self.resource)


class ObjectApplier:
    """Applies manifests on one member."""

    def __init__(self, client: Client, watch: MemberWatch) -> None:
        self._client = client
        self._watch = watch
        self._verdicts: dict[tuple[str, Identity], _Verdict] = {}

    async def apply(self, manifest: Manifest, work: str, owner: AppliedWork | None, strategy: ApplyStrategy) -> Outcome:
        """Bring the object of a manifest of a Work to what it says; without an owner, see how it differs."""
        if manifest.problem is not None:
            reason, message = manifest.problem
            return Outcome(manifest=manifest, reason=reason, message=message)
        try:
            resource = await self._watch.resource(str(manifest.content["apiVersion"]), manifest.kind, work)
        except NoSuchKind as error:
            return Outcome(manifest=manifest, reason=MANIFEST_DECODING_FAILED, message=str(error), retry=True)
        except ApiError as error:
            return Outcome(manifest=manifest, reason=MANIFEST_NOT_FOUND, message=str(error), retry=True)
        if problem := scope_problem(manifest, resource):
            return Outcome(
                manifest=manifest, resource=resource.plural, reason=MANIFEST_DECODING_FAILED, message=problem
            )
        key = (manifest.namespace, manifest.name)
        task = _Task(manifest, resource, key, work, strategy, owner)
        outcome = await self._bring(task)
        watched = self._watch.is_watched(resource, key)
        return msgspec.structs.replace(outcome, place=(resource, key), retry=outcome.retry or not watched)

    async def remove(self, resource: Resource, key: Key, uid: str, owner: AppliedWork) -> None:
        """Take an object back that is no longer wanted, if it is still the one that was applied.

        It is deleted, or only released if it has other owners.
        """
        live = await self._watch.read_anew(resource, key)
        if live is None or not is_owned(live, owner) or (uid and uid != live["metadata"]["uid"]):
            return
        kind = Unstructured(resource)
        uid = live["metadata"]["uid"]
        if others := without_owner(live, owner):
            version = live["metadata"]["resourceVersion"]
            metadata = {"ownerReferences": others, "resourceVersion": version}
            await self._client.patch(kind, key, MergePatch({"metadata": metadata}))
        else:
            await self._client.delete(kind, key, uid=uid, missing_ok=True)

    def forget(self, work: str) -> None:
        """A Work is gone."""
        self._verdicts = {place: verdict for place, verdict in self._verdicts.items() if place[0] != work}

    # one manifest

    async def _bring(self, task: _Task) -> Outcome:
        place = task.work, task.manifest.identity
        try:
            live = await self._watch.read(task.resource, task.key, task.work)
            verdict = self._verdicts.get(place)
            if verdict is not None and verdict.about == _about(task, live):
                return msgspec.structs.replace(verdict.outcome, manifest=task.manifest, live=live)
            self._verdicts.pop(place, None)
            outcome = await self._decide(task, live)
        except NoSuchKind as error:
            return self._outcome(task, MANIFEST_DECODING_FAILED, str(error), retry=True)
        except ApiError as error:
            return self._outcome(task, MANIFEST_NOT_FOUND, str(error), retry=True)
        if not outcome.retry:
            lasting = msgspec.structs.replace(outcome, live=None, wrote=False)
            self._verdicts[place] = _Verdict(_about(task, outcome.live), lasting)
        return outcome

    async def _decide(self, task: _Task, live: Object | None) -> Outcome:
        if task.owner is None:
            return await self._report_diff(task, live)
        try:
            if live is None:
                created = await self._create(task, task.owner)
                if created is not None:
                    return await self._applied(task, created, wrote=True)
                live = await self._watch.read_anew(task.resource, task.key)  # somebody was faster
                if live is None:
                    raise _Stop(MANIFEST_APPLY_FAILED, _failed("the object came and went meanwhile"), retry=True)
            await self._check(task, task.owner, live)
            written = await self._write(task, task.owner, live)
        except _Stop as stop:
            return self._outcome(
                task, stop.reason, str(stop), live=live, retry=stop.retry, drifts=stop.drifts, diffs=stop.diffs
            )
        except NotFound as error:
            self._watch.check_served(error)
            return self._outcome(task, MANIFEST_APPLY_FAILED, _failed(error), live=live, retry=True)
        except ApiError as error:
            return self._outcome(task, MANIFEST_APPLY_FAILED, _failed(error), live=live, retry=True)
        return await self._applied(task, written or live, wrote=written is not None)

    async def _check(self, task: _Task, owner: AppliedWork, live: Object) -> None:
        """Whether an object that is there may be written.

        Raises:
            _Stop: it may not.
        """
        strategy = task.strategy
        owned = is_owned(live, owner)
        refused = objection(live, owner, allow_co_ownership=strategy.allow_co_ownership)
        if refused:
            if owned:
                raise _Stop(MANIFEST_APPLY_FAILED, _failed(refused))
            raise _Stop(MANIFEST_TAKE_OVER_FAILED, _not_taken(refused))
        if not owned and strategy.when_to_take_over == "Never":
            why = "the object is on the member already and the apply strategy says never to take over"
            raise _Stop(MANIFEST_NOT_TAKEN_OVER, _not_taken(why))
        if not owned and strategy.when_to_take_over == "IfNoDiff":
            await self._check_no_diff(task, live)
        if owned and strategy.when_to_apply == "IfNotDrifted" and _spec_hash(live) == task.manifest.digest:
            await self._check_no_drift(task, live)

    async def _check_no_diff(self, task: _Task, live: Object) -> None:
        try:
            found = await compare(self._client, task.kind, task.manifest, live, task.strategy.comparison_option)
        except (ApiError, Incomparable) as error:
            raise _Stop(MANIFEST_TAKE_OVER_FAILED, _not_taken(error), retry=True) from error
        if found.details:
            why = "the object that is on the member already differs from the manifest"
            raise _Stop(MANIFEST_TAKE_OVER_FAILED, _not_taken(why), diffs=found.details)

    async def _check_no_drift(self, task: _Task, live: Object) -> None:
        try:
            found = await compare(self._client, task.kind, task.manifest, live, task.strategy.comparison_option)
        except (ApiError, Incomparable) as error:
            message = f"Failed to look for drift before applying the manifest (error: {error})"
            raise _Stop(MANIFEST_DRIFT_DETECTION_FAILED, message, retry=True) from error
        if found.details:
            reason = MANIFEST_DRIFTED_DEGRADED if found.degraded else MANIFEST_DRIFTED
            why = "the object was changed on the member after it was applied, and the apply strategy says to leave it"
            raise _Stop(reason, _failed(why), drifts=found.details)

    async def _applied(self, task: _Task, live: Object, *, wrote: bool) -> Outcome:
        """What an applied manifest reports: with FullComparison, what others have set besides.

        An object that cannot be compared is applied all the same.
        """
        drifts: tuple[PatchDetail, ...] = ()
        message = "Manifest has been applied successfully"
        if task.strategy.comparison_option == "FullComparison":
            try:
                drifts = compare_whole(task.manifest.content, live).details
            except Incomparable as error:
                message += f", but drift detection has failed (error: {error})"
                reason = MANIFEST_APPLIED_WITHOUT_DRIFT_DETECTION
                return self._outcome(task, reason, message, live=live, wrote=wrote, retry=True)
        return self._outcome(task, MANIFEST_APPLIED, message, live=live, drifts=drifts, wrote=wrote)

    async def _report_diff(self, task: _Task, live: Object | None) -> Outcome:
        try:
            found = await compare(self._client, task.kind, task.manifest, live, task.strategy.comparison_option)
        except (ApiError, Incomparable) as error:
            message = f"Failed to report the diff between the hub cluster and the member cluster (error = {error})"
            return self._outcome(task, MANIFEST_DIFF_FAILED, message, live=live, retry=True)
        if not found.details:
            message = "No diff has been found between the hub cluster and the member cluster"
            return self._outcome(task, MANIFEST_NO_DIFF, message, live=live)
        reason = MANIFEST_DIFF_FOUND_DEGRADED if found.degraded else MANIFEST_DIFF_FOUND
        return self._outcome(task, reason, _DIFF_FOUND, live=live, diffs=found.details)

    def _outcome(self, task: _Task, reason: str, message: str, **fields: Any) -> Outcome:
        return Outcome(manifest=task.manifest, resource=task.resource.plural, reason=reason, message=message, **fields)

    # writing

    async def _create(self, task: _Task, owner: AppliedWork) -> Object | None:
        """The new object, or None if there is one by now."""
        marks = client_side.marks(task.manifest, {})
        if task.strategy.type == "ServerSideApply" or marks is None:
            return await self._apply_server_side(task, owner)
        try:
            return await self._client.create(client_side.created(task.manifest, marks, reference_to(owner)), task.kind)
        except AlreadyExists:
            return None

    async def _write(self, task: _Task, owner: AppliedWork, live: Object) -> Object | None:
        """The object with the manifest applied, or None when nothing had to be written."""
        marks = client_side.marks(task.manifest, live["metadata"].get("annotations") or {})
        if task.strategy.type == "ServerSideApply" or marks is None:
            return await self._switch_to_server_side(task, owner, live)
        patch = client_side.patch(task.manifest, live, marks, with_owner(live, owner))
        if not patch:
            return None
        if task.strategy.when_to_apply == "IfNotDrifted":
            patch["metadata"] = {**patch.get("metadata", {}), "resourceVersion": live["metadata"]["resourceVersion"]}
        return await self._client.patch(task.kind, task.key, MergePatch(patch))

    async def _switch_to_server_side(self, task: _Task, owner: AppliedWork, live: Object) -> Object:
        """Server-side apply of an object that may have been applied client-side before."""
        if (fields := server_side.adopted_fields(live, self._client.field_manager)) is not None:
            metadata = {"managedFields": fields, "resourceVersion": live["metadata"]["resourceVersion"]}
            live = await self._client.patch(task.kind, task.key, MergePatch({"metadata": metadata}))
        return await self._apply_server_side(task, owner, live)

    async def _apply_server_side(self, task: _Task, owner: AppliedWork, live: Object | None = None) -> Object:
        content = server_side.configuration(task.manifest, reference_to(owner))
        if live is not None and task.strategy.when_to_apply == "IfNotDrifted":
            content["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
        config = task.strategy.server_side_apply_config
        force = task.strategy.type != "ServerSideApply" or (config is not None and config.force)
        return await self._client.patch(task.kind, task.key, ApplyPatch(content, force))


def _about(task: _Task, live: Object | None) -> bytes:
    """What a verdict depends on: the manifest, the strategy, the owner, and the object but for its status."""
    digest = hashlib.sha256(task.manifest.digest.encode())
    digest.update(msgspec.json.encode(task.strategy))
    digest.update(b"" if task.owner is None else task.owner.metadata.uid.encode())
    if live is not None:
        ignored = ("resourceVersion", "managedFields")
        metadata = {key: value for key, value in live["metadata"].items() if key not in ignored}
        essence = {key: value for key, value in live.items() if key != "status"} | {"metadata": metadata}
        digest.update(orjson.dumps(essence, option=orjson.OPT_SORT_KEYS))
    return digest.digest()


def _spec_hash(live: Mapping[str, Any]) -> str | None:
    found: str | None = (live["metadata"].get("annotations") or {}).get(names.SPEC_HASH)
    return found


def _failed(why: object) -> str:
    return f"Failed to apply the manifest (error: {why})"


def _not_taken(why: object) -> str:
    return f"Failed to take over the object (error: {why})"
