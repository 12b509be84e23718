"""Conditions: their types and reasons, and how a list of them is changed.

Types and reasons are those of KubeFleet, since clients and other controllers switch on them; some
types are reasons as well (``RolloutStarted``, ``WorkSynchronized``). The reasons of approval tasks of staged
runs, which depend on the hub's dialect, are not here but in ``placement.dialect``.

A list of conditions keeps the order in which its types were first set; user interfaces show the last
one. ``lastTransitionTime`` is when the status last changed, not when the condition was last written.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from echelon.api.meta import Condition, format_time

# -- members ------------------------------------------------------------------------------------

READY_TO_JOIN: Final = "ReadyToJoin"
JOINED: Final = "Joined"
HEALTHY: Final = "Healthy"
PROPERTY_PROVIDER_STARTED: Final = "ClusterPropertyProviderStarted"
PROPERTY_COLLECTION_SUCCEEDED: Final = "ClusterPropertyCollectionSucceeded"
NAMESPACE_COLLECTION_SUCCEEDED: Final = "NamespaceCollectionSucceeded"

PROPERTY_PROVIDER_IS_STARTED: Final = "Started"
PROPERTIES_COLLECTED: Final = "PropertiesCollected"
PROPERTIES_NOT_COLLECTED: Final = "FailedToCollect"
PROPERTY_TIMED_OUT: Final = "TimedOut"
NAMESPACES_COLLECTED: Final = "Succeeded"
NAMESPACES_COLLECTED_IN_PART: Final = "Degraded"

MEMBER_READY_TO_JOIN: Final = "MemberClusterReadyToJoin"
MEMBER_NOT_READY_TO_JOIN: Final = "MemberClusterNotReadyToJoin"
MEMBER_JOINED: Final = "MemberClusterJoined"
MEMBER_LEFT: Final = "MemberClusterLeft"
MEMBER_JOIN_STATE_UNKNOWN: Final = "MemberClusterJoinStateUnknown"
INTERNAL_MEMBER_JOINED: Final = "InternalMemberClusterJoined"
INTERNAL_MEMBER_LEFT: Final = "InternalMemberClusterLeft"
INTERNAL_MEMBER_FAILED_TO_JOIN: Final = "InternalMemberClusterFailedToJoin"
INTERNAL_MEMBER_FAILED_TO_LEAVE: Final = "InternalMemberClusterFailedToLeave"
INTERNAL_MEMBER_HEALTHY: Final = "InternalMemberClusterHealthy"
INTERNAL_MEMBER_UNHEALTHY: Final = "InternalMemberClusterUnhealthy"

# -- placements, bindings and Works -------------------------------------------------------------
# On a placement each type is prefixed with the kind: see placement_condition.

SCHEDULED: Final = "Scheduled"
ROLLOUT_STARTED: Final = "RolloutStarted"
OVERRIDDEN: Final = "Overridden"
WORK_SYNCHRONIZED: Final = "WorkSynchronized"
APPLIED: Final = "Applied"
AVAILABLE: Final = "Available"
DIFF_REPORTED: Final = "DiffReported"
STATUS_SYNCED: Final = "StatusSynced"
STATUS_TRIMMED: Final = "StatusTrimmed"

SCHEDULING_POLICY_FULFILLED: Final = "SchedulingPolicyFulfilled"
SCHEDULING_POLICY_UNFULFILLED: Final = "SchedulingPolicyUnfulfilled"
INVALID_SCHEDULING_POLICY: Final = "InvalidSchedulingPolicy"
INVALID_RESOURCE_SELECTORS: Final = "InvalidResourceSelectors"
SCHEDULE_PENDING: Final = "SchedulePending"
SCHEDULE_FAILED: Final = "ScheduleFailed"
ROLLOUT_STARTED_UNKNOWN: Final = "RolloutStartedUnknown"
ROLLOUT_NOT_STARTED_YET: Final = "RolloutNotStartedYet"
ROLLOUT_CONTROLLED_EXTERNALLY: Final = "RolloutControlledByExternalController"
NO_OVERRIDE_SPECIFIED: Final = "NoOverrideSpecified"
OVERRIDDEN_SUCCEEDED: Final = "OverriddenSucceeded"
OVERRIDDEN_FAILED: Final = "OverriddenFailed"
OVERRIDDEN_PENDING: Final = "OverriddenPending"
WORK_NOT_SYNCHRONIZED_YET: Final = "WorkNotSynchronizedYet"
WORK_SYNCHRONIZED_UNKNOWN: Final = "WorkSynchronizedUnknown"
APPLY_SUCCEEDED: Final = "ApplySucceeded"
APPLY_FAILED: Final = "ApplyFailed"
APPLY_PENDING: Final = "ApplyPending"
RESOURCE_AVAILABLE: Final = "ResourceAvailable"
RESOURCE_NOT_AVAILABLE_YET: Final = "ResourceNotAvailableYet"
RESOURCE_AVAILABLE_UNKNOWN: Final = "ResourceAvailableUnknown"
DIFF_REPORTING_COMPLETED: Final = "DiffReportingCompleted"
DIFF_REPORTING_INCOMPLETE_OR_FAILED: Final = "DiffReportingIncompleteOrFailed"
DIFF_REPORTING_PENDING: Final = "DiffReportingPending"
STATUS_SYNC_SUCCEEDED: Final = "StatusSyncSucceeded"
STATUS_SYNC_FAILED: Final = "StatusSyncFailed"

ALL_WORK_SYNCED: Final = "AllWorkSynced"
SYNC_WORK_FAILED: Final = "SyncWorkFailed"
ALL_WORK_APPLIED: Final = "AllWorkHaveBeenApplied"
APPLY_IN_PROGRESS: Final = "ApplyInProgress"
NOT_ALL_WORK_APPLIED: Final = "NotAllWorkHaveBeenApplied"
ALL_WORK_AVAILABLE: Final = "AllWorkAreAvailable"
NOT_ALL_WORK_TRACKABLE: Final = "NotAllWorkAreAvailabilityTrackable"
NOT_ALL_WORK_AVAILABLE: Final = "NotAllWorkAreAvailable"
ALL_WORK_DIFF_REPORTED: Final = "AllWorkHaveDiffReported"
DIFF_REPORT_IN_PROGRESS: Final = "DiffReportInProgress"
NOT_ALL_WORK_DIFF_REPORTED: Final = "NotAllWorkHaveDiffReported"

ALL_MANIFESTS_APPLIED: Final = "AllManifestsApplied"
SOME_MANIFESTS_NOT_APPLIED: Final = "SomeManifestsAreNotApplied"
ALL_MANIFESTS_AVAILABLE: Final = "AllManifestsAvailable"
SOME_MANIFESTS_NOT_AVAILABLE: Final = "SomeManifestsAreNotAvailable"
WORK_NOT_TRACKABLE: Final = "WorkNotTrackable"
ALL_MANIFESTS_DIFF_REPORTED: Final = "AllManifestsDiffReported"
SOME_MANIFESTS_NOT_DIFF_REPORTED: Final = "SomeManifestsHaveNotReportedDiff"
OVERSIZED: Final = "Oversized"

# Of one manifest in Work.status.manifestConditions.
MANIFEST_APPLIED: Final = "Applied"
MANIFEST_APPLIED_WITHOUT_DRIFT_DETECTION: Final = "AppliedWithFailedDriftDetection"
MANIFEST_APPLY_FAILED: Final = "ManifestApplyFailed"
MANIFEST_PREPARING: Final = "PreparingToProcess"
MANIFEST_DECODING_FAILED: Final = "DecodingErred"
MANIFEST_GENERATE_NAME: Final = "FoundGenerateName"
MANIFEST_DUPLICATED: Final = "Duplicated"
MANIFEST_NOT_FOUND: Final = "FailedToFindObjInMemberCluster"
MANIFEST_TAKE_OVER_FAILED: Final = "FailedToTakeOver"
MANIFEST_NOT_TAKEN_OVER: Final = "NotTakenOver"
MANIFEST_DRIFT_DETECTION_FAILED: Final = "FailedToRunDriftDetection"
MANIFEST_DRIFTED: Final = "FoundDrifts"
MANIFEST_DRIFTED_DEGRADED: Final = "FoundDriftsInDegradedMode"
MANIFEST_DIFF_FAILED: Final = "FailedToReportDiff"
MANIFEST_DIFF_FOUND: Final = "FoundDiff"
MANIFEST_DIFF_FOUND_DEGRADED: Final = "FoundDiffInDegradedMode"
MANIFEST_NO_DIFF: Final = "NoDiffFound"
MANIFEST_AVAILABLE: Final = "Available"
MANIFEST_NOT_AVAILABLE_YET: Final = "ManifestNotAvailableYet"
MANIFEST_NOT_TRACKABLE: Final = "NotTrackable"
MANIFEST_AVAILABILITY_FAILED: Final = "Failed"

# -- staged runs --------------------------------------------------------------------------------

INITIALIZED: Final = "Initialized"
PROGRESSING: Final = "Progressing"
SUCCEEDED: Final = "Succeeded"
STARTED: Final = "Started"
APPROVAL_REQUEST_CREATED: Final = "ApprovalRequestCreated"
APPROVAL_REQUEST_APPROVED: Final = "ApprovalRequestApproved"
WAIT_TIME_ELAPSED: Final = "WaitTimeElapsed"
APPROVED: Final = "Approved"
APPROVAL_ACCEPTED: Final = "ApprovalAccepted"

RUN_INITIALIZED: Final = "UpdateRunInitializedSuccessfully"
RUN_INITIALIZE_FAILED: Final = "UpdateRunInitializedFailed"
RUN_WAITING_FOR_PLACEMENT: Final = "UpdateRunWaitingForPlacement"
RUN_PROGRESSING: Final = "UpdateRunProgressing"
RUN_WAITING: Final = "UpdateRunWaiting"
RUN_STUCK: Final = "UpdateRunStuck"
RUN_STOPPING: Final = "UpdateRunStopping"
RUN_STOPPED: Final = "UpdateRunStopped"
RUN_FAILED: Final = "UpdateRunFailed"
RUN_SUCCEEDED: Final = "UpdateRunSucceeded"
STAGE_STARTED: Final = "StageUpdatingStarted"
STAGE_WAITING: Final = "StageUpdatingWaiting"
STAGE_STOPPING: Final = "StageUpdatingStopping"
STAGE_STOPPED: Final = "StageUpdatingStopped"
STAGE_SUCCEEDED: Final = "StageUpdatingSucceeded"
STAGE_FAILED: Final = "StageUpdatingFailed"
STAGE_SKIPPED_NO_CLUSTERS: Final = "StageUpdatingSkippedNoClusters"
CLUSTER_STARTED: Final = "ClusterUpdatingStarted"
CLUSTER_SUCCEEDED: Final = "ClusterUpdatingSucceeded"
CLUSTER_FAILED: Final = "ClusterUpdatingFailed"
CLUSTER_SKIPPED: Final = "ClusterUpdatingSkipped"
STAGE_WAIT_ELAPSED: Final = "AfterStageTaskWaitTimeElapsed"
APPROVAL_REQUEST_ACCEPTED: Final = "ApprovalRequestApprovalAccepted"

# -- evictions ----------------------------------------------------------------------------------

VALID: Final = "Valid"
EXECUTED: Final = "Executed"

EVICTION_VALID: Final = "ClusterResourcePlacementEvictionValid"
EVICTION_INVALID: Final = "ClusterResourcePlacementEvictionInvalid"
EVICTION_EXECUTED: Final = "ClusterResourcePlacementEvictionExecuted"
EVICTION_NOT_EXECUTED: Final = "ClusterResourcePlacementEvictionNotExecuted"


def placement_condition(kind: str, condition_type: str) -> str:
    """A condition type as it stands on a placement of that kind: ``ClusterResourcePlacementScheduled``."""
    return kind + condition_type


def find_condition(conditions: Sequence[Condition], condition_type: str) -> Condition | None:
    """The condition of that type, if it was ever set."""
    return next((condition for condition in conditions if condition.type == condition_type), None)


def is_true_at_generation(conditions: Sequence[Condition], condition_type: str, generation: int) -> bool:
    """Whether the condition is True and was observed at exactly that generation of the object."""
    return has_status(conditions, condition_type, "True", generation)


def is_false_at_generation(conditions: Sequence[Condition], condition_type: str, generation: int) -> bool:
    """Whether the condition is False and was observed at exactly that generation of the object."""
    return has_status(conditions, condition_type, "False", generation)


def has_status(conditions: Sequence[Condition], condition_type: str, status: str, generation: int) -> bool:
    """Whether the condition has that status and was observed at exactly that generation of the object."""
    found = find_condition(conditions, condition_type)
    return found is not None and found.status == status and found.observed_generation == generation


def set_condition(conditions: Sequence[Condition], condition: Condition, now: datetime) -> tuple[Condition, ...]:
    """The list with that condition in place of the one of its type, or behind all others if there is none.

    The transition time of the present condition is kept while its status stays; else it becomes the
    one that ``condition`` brings or, when it brings none, ``now``. What is unchanged stays the same object.
    """
    present = find_condition(conditions, condition.type)
    if present is not None and present.status == condition.status and present.last_transition_time:
        condition = msgspec.structs.replace(condition, last_transition_time=present.last_transition_time)
    elif not condition.last_transition_time:
        condition = msgspec.structs.replace(condition, last_transition_time=format_time(now))
    if present is None:
        return (*conditions, condition)
    if present == condition:
        return tuple(conditions)
    return tuple(condition if item is present else item for item in conditions)


def remove_conditions(conditions: Sequence[Condition], *condition_types: str) -> tuple[Condition, ...]:
    """The list without the conditions of these types."""
    return tuple(condition for condition in conditions if condition.type not in condition_types)


def observe(conditions: Sequence[Condition], generation: int) -> tuple[Condition, ...]:
    """The list with every condition observed at that generation and nothing else changed."""
    return tuple(
        condition
        if condition.observed_generation == generation
        else msgspec.structs.replace(condition, observed_generation=generation)
        for condition in conditions
    )
