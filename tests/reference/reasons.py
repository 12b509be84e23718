"""Which test shows which condition: object, type, status and reason, as users meet them.

A test named here brings the condition about, on an API server through the controllers, or, for words
that depend on values only, through the pure function that decides them; and it names the reason.
"""

from __future__ import annotations

from collections.abc import Mapping

MEMBERS: Mapping[str, str] = {
    "MemberCluster ReadyToJoin True MemberClusterReadyToJoin": (
        "membership/test_members.py::test_conditions_before_the_agent_comes"
    ),
    "MemberCluster ReadyToJoin False MemberClusterNotReadyToJoin": (
        "membership/test_members.py::test_a_name_too_long_for_a_namespace_is_reported_and_not_tried_again"
    ),
    "MemberCluster Joined True MemberClusterJoined": "membership/test_members.py::test_joined_follows_the_agent",
    "MemberCluster Joined False MemberClusterLeft": "membership/test_members.py::test_joined_follows_the_agent",
    "MemberCluster Joined Unknown MemberClusterJoinStateUnknown": (
        "membership/test_members.py::test_joined_follows_the_agent"
    ),
    "MemberCluster Healthy True InternalMemberClusterHealthy": (
        "membership/test_members.py::test_what_the_agent_reports_is_copied"
    ),
    "MemberCluster Healthy False InternalMemberClusterUnhealthy": (
        "membership/test_members.py::test_a_member_that_is_unhealthy_says_so"
    ),
    "MemberCluster ClusterPropertyCollectionSucceeded True PropertiesCollected": (
        "membership/test_members.py::test_what_the_agent_reports_is_copied"
    ),
    "MemberCluster NamespaceCollectionSucceeded True Succeeded": (
        "membership/test_members.py::test_what_the_agent_reports_is_copied"
    ),
    "InternalMemberCluster Joined True InternalMemberClusterJoined": ("agent/test_joining.py::test_joined_and_healthy"),
    "InternalMemberCluster Joined False InternalMemberClusterLeft": (
        "agent/test_joining.py::test_on_leaving_works_are_let_go_and_objects_stay"
    ),
    "InternalMemberCluster Joined Unknown InternalMemberClusterFailedToJoin": (
        "agent/test_joining.py::test_a_member_that_cannot_be_reached_at_the_start"
    ),
    "InternalMemberCluster Joined Unknown InternalMemberClusterFailedToLeave": (
        "agent/test_joining.py::test_an_agent_that_cannot_let_its_works_go_says_so"
    ),
    "InternalMemberCluster Healthy True InternalMemberClusterHealthy": (
        "agent/test_joining.py::test_joined_and_healthy"
    ),
    "InternalMemberCluster Healthy False InternalMemberClusterUnhealthy": (
        "agent/test_joining.py::test_a_member_that_becomes_unhealthy_and_well_again"
    ),
    "InternalMemberCluster ClusterPropertyProviderStarted True Started": "agent/test_joining.py::test_properties",
    "InternalMemberCluster ClusterPropertyProviderStarted False TimedOut": (
        "agent/test_joining.py::test_a_member_whose_pods_may_not_be_listed"
    ),
    "InternalMemberCluster ClusterPropertyCollectionSucceeded True PropertiesCollected": (
        "agent/test_joining.py::test_properties"
    ),
    "InternalMemberCluster ClusterPropertyCollectionSucceeded False FailedToCollect": (
        "agent/test_joining.py::test_a_member_that_does_not_tell_its_version_keeps_the_last_one"
    ),
    "InternalMemberCluster ClusterPropertyCollectionSucceeded False TimedOut": (
        "agent/test_joining.py::test_a_member_that_does_not_answer_in_time"
    ),
    "InternalMemberCluster NamespaceCollectionSucceeded True Succeeded": (
        "agent/test_namespaces.py::test_namespaces_come_with_the_applied_work_that_owns_them"
    ),
    "InternalMemberCluster NamespaceCollectionSucceeded False Degraded": (
        "agent/test_namespaces.py::test_of_too_many_namespaces_the_first_are_reported"
    ),
}

_STATUS = "placement/test_status.py::"
_FIRST = _STATUS + "test_the_first_step_that_is_not_true_is_the_last_one_shown"

PLACEMENTS: Mapping[str, str] = {
    "Placement Scheduled True SchedulingPolicyFulfilled": "placement/test_placement_status.py::test_before_any_run",
    "Placement Scheduled False SchedulingPolicyUnfulfilled": "placement/test_pick_number.py::test_too_few",
    "Placement Scheduled False InvalidSchedulingPolicy": (
        "placement/test_pick_number.py::test_a_policy_that_cannot_be_followed"
    ),
    "Placement Scheduled False InvalidResourceSelectors": (
        "placement/test_placement_life.py::test_bad_selectors_are_shown"
    ),
    "Placement Scheduled Unknown SchedulePending": _STATUS + "test_not_scheduled_yet",
    "Placement RolloutStarted True RolloutStarted": _STATUS + "test_everything_is_available_everywhere",
    "Placement RolloutStarted False RolloutNotStartedYet": (
        "placement/test_rolling_update.py::test_a_change_goes_out_a_few_members_at_a_time"
    ),
    "Placement RolloutStarted Unknown RolloutStartedUnknown": (_FIRST),
    "Placement RolloutStarted Unknown RolloutControlledByExternalController": (
        "placement/test_placement_status.py::test_while_members_differ"
    ),
    "Placement Overridden True OverriddenSucceeded": (
        "placement/overrides/test_rollouts.py::test_each_member_gets_what_is_for_it"
    ),
    "Placement Overridden True NoOverrideSpecified": _STATUS + "test_overrides_that_nobody_uses",
    "Placement Overridden False OverriddenFailed": (
        "placement/overrides/test_rollouts.py::TestFailures::test_it_is_said_where_it_is_looked_for"
    ),
    "Placement Overridden Unknown OverriddenPending": _FIRST,
    "Placement WorkSynchronized True WorkSynchronized": _STATUS + "test_everything_is_available_everywhere",
    "Placement WorkSynchronized False WorkNotSynchronizedYet": "placement/test_enveloped.py::test_a_bad_envelope",
    "Placement WorkSynchronized Unknown WorkSynchronizedUnknown": _FIRST,
    "Placement Applied True ApplySucceeded": _STATUS + "test_everything_is_available_everywhere",
    "Placement Applied False ApplyFailed": ("placement/test_placement_status.py::test_the_one_in_trouble_is_named"),
    "Placement Applied Unknown ApplyPending": _FIRST,
    "Placement Available True ResourceAvailable": (
        "placement/test_work_generator.py::test_an_available_member_that_breaks_later"
    ),
    "Placement Available False ResourceNotAvailableYet": (
        "placement/test_work_generator.py::test_an_available_member_that_breaks_later"
    ),
    "Placement Available Unknown ResourceAvailableUnknown": _FIRST,
    "Placement DiffReported True DiffReportingCompleted": (
        "placement/test_placement_status.py::test_only_reporting_differences"
    ),
    "Placement DiffReported False DiffReportingIncompleteOrFailed": _FIRST,
    "Placement DiffReported Unknown DiffReportingPending": _FIRST,
    "Placement StatusSynced True StatusSyncSucceeded": (
        "placement/test_status_copy.py::test_the_copy_follows_the_status"
    ),
    "Placement StatusSynced False StatusSyncFailed": (
        "placement/test_status_copy.py::test_what_the_server_has_against_it_is_said_and_tried_again"
    ),
    "PerClusterPlacementStatus Scheduled True Scheduled": ("placement/test_placement_status.py::test_before_any_run"),
    "PerClusterPlacementStatus Scheduled False ScheduleFailed": "placement/test_pick_number.py::test_too_few",
    "SchedulingPolicySnapshot Scheduled True SchedulingPolicyFulfilled": (
        "placement/test_scheduler.py::test_all_members_get_a_binding"
    ),
    "SchedulingPolicySnapshot Scheduled False SchedulingPolicyUnfulfilled": (
        "placement/test_scheduler.py::test_a_named_member_that_is_not_there"
    ),
}

_WORK = "placement/test_work.py::"

BINDINGS: Mapping[str, str] = {
    "Binding RolloutStarted True RolloutStarted": (
        "placement/test_work_generator.py::test_a_binding_reports_what_the_member_does"
    ),
    "Binding RolloutStarted False RolloutNotStartedYet": (
        "placement/test_rolling_update.py::test_a_change_goes_out_a_few_members_at_a_time"
    ),
    "Binding Overridden True NoOverrideSpecified": (
        "placement/test_work_generator.py::test_a_binding_reports_what_the_member_does"
    ),
    "Binding Overridden True OverriddenSucceeded": (
        "placement/overrides/test_rollouts.py::test_only_members_with_a_rule_name_the_override"
    ),
    "Binding Overridden False OverriddenFailed": (
        "placement/overrides/test_rollouts.py::TestFailures::test_it_is_said_where_it_is_looked_for"
    ),
    "Binding WorkSynchronized True AllWorkSynced": (
        "placement/test_work_generator.py::test_a_binding_reports_what_the_member_does"
    ),
    "Binding WorkSynchronized False SyncWorkFailed": (
        "placement/overrides/test_rollouts.py::TestFailures::test_works_that_the_hub_refuses"
    ),
    "Binding Applied True AllWorkHaveBeenApplied": (
        "placement/test_work_generator.py::test_a_binding_reports_what_the_member_does"
    ),
    "Binding Applied False ApplyInProgress": (
        "placement/test_work_generator.py::test_a_member_that_says_nothing_is_shown_as_busy"
    ),
    "Binding Applied False NotAllWorkHaveBeenApplied": "placement/test_work_generator.py::test_a_member_in_trouble",
    "Binding Available True AllWorkAreAvailable": (
        "placement/test_work_generator.py::test_a_binding_reports_what_the_member_does"
    ),
    "Binding Available True NotAllWorkAreAvailabilityTrackable": _WORK + "test_what_is_told_of_a_member",
    "Binding Available False NotAllWorkAreAvailable": "placement/test_work_generator.py::test_a_member_in_trouble",
    "Binding DiffReported True AllWorkHaveDiffReported": "placement/test_reports.py::test_a_run_that_only_compares",
    "Binding DiffReported False DiffReportInProgress": _WORK + "test_what_is_told_of_differences",
    "Binding DiffReported False NotAllWorkHaveDiffReported": _WORK + "test_what_is_told_of_differences",
}

_APPLY = "agent/test_strategies.py::"
_FAILING = "agent/test_failing.py::"
_REPORT = "agent/test_work_status.py::"

WORKS: Mapping[str, str] = {
    "Work Applied True AllManifestsApplied": _REPORT + "test_conditions_of_a_work",
    "Work Applied False SomeManifestsAreNotApplied": (
        _FAILING + "test_decoding_erred_for_a_kind_that_the_member_does_not_have"
    ),
    "Work Available True AllManifestsAvailable": "agent/test_applying.py::test_availability_is_found_by_watching",
    "Work Available True WorkNotTrackable": (
        _FAILING + "test_a_kind_that_comes_later_is_applied_as_soon_as_it_is_there"
    ),
    "Work Available False SomeManifestsAreNotAvailable": (
        "agent/test_applying.py::test_availability_is_found_by_watching"
    ),
    "Work DiffReported True AllManifestsDiffReported": _APPLY + "test_found_diff",
    "Work DiffReported False SomeManifestsHaveNotReportedDiff": _APPLY + "test_failed_to_report_diff",
    "Work StatusTrimmed True Oversized": _APPLY + "test_a_status_too_large_to_store_loses_its_details",
    "Manifest Applied True Applied": _APPLY + "test_applied_with_failed_drift_detection",
    "Manifest Applied True AppliedWithFailedDriftDetection": _APPLY + "test_applied_with_failed_drift_detection",
    "Manifest Applied False PreparingToProcess": _FAILING + "test_a_slow_member_is_announced",
    "Manifest Applied False DecodingErred": (_FAILING + "test_decoding_erred_for_a_kind_that_the_member_does_not_have"),
    "Manifest Applied False FoundGenerateName": (
        _FAILING + "test_manifests_that_never_can_be_applied_are_not_tried_again"
    ),
    "Manifest Applied False Duplicated": _FAILING + "test_duplicated",
    "Manifest Applied False FailedToFindObjInMemberCluster": (_FAILING + "test_failed_to_find_obj_in_member_cluster"),
    "Manifest Applied False FailedToTakeOver": _APPLY + "test_failed_to_take_over_because_of_a_diff",
    "Manifest Applied False NotTakenOver": _APPLY + "test_take_over_never",
    "Manifest Applied False FailedToRunDriftDetection": _APPLY + "test_failed_to_run_drift_detection",
    "Manifest Applied False FoundDrifts": _APPLY + "test_found_drifts",
    "Manifest Applied False FoundDriftsInDegradedMode": _APPLY + "test_found_drifts_in_degraded_mode",
    "Manifest Applied False ManifestApplyFailed": _FAILING + "test_manifest_apply_failed_for_an_invalid_object",
    "Manifest DiffReported True NoDiffFound": _APPLY + "test_no_diff_found",
    "Manifest DiffReported True FoundDiff": _APPLY + "test_found_diff",
    "Manifest DiffReported True FoundDiffInDegradedMode": _APPLY + "test_found_diff_in_degraded_mode",
    "Manifest DiffReported False FailedToReportDiff": _APPLY + "test_failed_to_report_diff",
    "Manifest Available True Available": _REPORT + "test_availability_of_a_manifest",
    "Manifest Available True NotTrackable": _REPORT + "test_availability_of_a_manifest",
    "Manifest Available False ManifestNotAvailableYet": _REPORT + "test_availability_of_a_manifest",
    "Manifest Available False Failed": _REPORT + "test_availability_of_a_manifest",
}

_STAGED = "placement/staged/"
_APPROVAL = _STAGED + "test_approval_life.py::"

RUNS: Mapping[str, str] = {
    "Run Initialized True UpdateRunInitializedSuccessfully": (
        _STAGED + "test_states.py::test_initialize_only_initializes"
    ),
    "Run Initialized False UpdateRunInitializedFailed": (
        _STAGED + "test_bad_strategies.py::test_the_run_says_what_is_wrong"
    ),
    "Run Initialized Unknown UpdateRunWaitingForPlacement": (
        _STAGED + "test_waiting_to_begin.py::test_a_run_waits_until_its_placement_is_scheduled"
    ),
    "Run Progressing True UpdateRunProgressing": (_STAGED + "test_order.py::test_a_member_in_trouble_is_waited_for"),
    "Run Progressing False UpdateRunWaiting": _STAGED + "test_delete_stage.py::test_stages_come_first",
    "Run Progressing False UpdateRunStuck": _STAGED + "test_stuck.py::test_stuck_after_five_minutes",
    "Run Progressing Unknown UpdateRunStopping": _STAGED + "test_states.py::test_stop_waits_for_what_is_under_way",
    "Run Progressing False UpdateRunStopped": _STAGED + "test_states.py::test_stop_waits_for_what_is_under_way",
    "Run Progressing False UpdateRunFailed": _STAGED + "test_reporting.py::test_a_run_that_became_impossible",
    "Run Progressing False UpdateRunSucceeded": _STAGED + "test_reporting.py::test_every_row_of_the_catalogue",
    "Run Succeeded True UpdateRunSucceeded": (_STAGED + "test_states.py::test_a_run_that_has_ended_stays_as_it_is"),
    "Run Succeeded False UpdateRunFailed": _STAGED + "test_changes.py::test_another_policy_ends_the_run",
    "Stage Progressing True StageUpdatingStarted": (_STAGED + "test_delete_stage.py::test_emptying_is_waited_for"),
    "Stage Progressing False StageUpdatingWaiting": _STAGED + "test_reporting.py::test_every_row_of_the_catalogue",
    "Stage Progressing Unknown StageUpdatingStopping": (
        _STAGED + "test_states.py::test_stop_waits_for_what_is_under_way"
    ),
    "Stage Progressing False StageUpdatingStopped": (_STAGED + "test_states.py::test_stop_waits_for_what_is_under_way"),
    "Stage Progressing False StageUpdatingSucceeded": (_STAGED + "test_reporting.py::test_every_row_of_the_catalogue"),
    "Stage Progressing False StageUpdatingSkippedNoClusters": (
        _STAGED + "test_delete_stage.py::test_a_stage_without_members_is_skipped_with_its_tasks"
    ),
    "Stage Progressing False StageUpdatingFailed": (_STAGED + "test_reporting.py::test_a_run_that_became_impossible"),
    "Stage Succeeded True StageUpdatingSucceeded": (_STAGED + "test_changes.py::test_another_policy_ends_the_run"),
    "Stage Succeeded True StageUpdatingSkippedNoClusters": (
        _STAGED + "test_delete_stage.py::test_a_stage_without_members_is_skipped_with_its_tasks"
    ),
    "Stage Succeeded False StageUpdatingFailed": _STAGED + "test_changes.py::test_another_policy_ends_the_run",
    "Cluster Started True ClusterUpdatingStarted": (
        _STAGED + "test_rivals.py::test_the_run_whose_member_is_taken_fails"
    ),
    "Cluster Succeeded True ClusterUpdatingSucceeded": (
        _STAGED + "test_changes.py::test_a_member_that_left_is_skipped"
    ),
    "Cluster Succeeded True ClusterUpdatingSkipped": (_STAGED + "test_changes.py::test_a_member_that_left_is_skipped"),
    "Cluster Succeeded False ClusterUpdatingFailed": (
        _STAGED + "test_rivals.py::test_the_run_whose_member_is_taken_fails"
    ),
    "Task ApprovalRequestCreated True AfterStageTaskApprovalRequestCreated": (
        _APPROVAL + "test_the_words_of_the_documentation"
    ),
    "Task ApprovalRequestApproved True AfterStageTaskApprovalRequestApproved": (
        _APPROVAL + "test_the_words_of_the_documentation"
    ),
    "Task ApprovalRequestCreated True StageTaskApprovalRequestCreated": (
        _STAGED + "test_reporting.py::test_every_row_of_the_catalogue"
    ),
    "Task ApprovalRequestApproved True StageTaskApprovalRequestApproved": (
        _STAGED + "test_reporting.py::test_every_row_of_the_catalogue"
    ),
    "Task WaitTimeElapsed True AfterStageTaskWaitTimeElapsed": (
        _STAGED + "test_waits.py::test_a_wait_is_never_shorter_than_it_was_set"
    ),
    "ApprovalRequest Approved True LooksGood": (
        _APPROVAL + "test_an_accepted_approval_is_marked_and_cannot_be_taken_back"
    ),
    "ApprovalRequest ApprovalAccepted True ApprovalRequestApprovalAccepted": (
        _APPROVAL + "test_an_accepted_approval_is_marked_and_cannot_be_taken_back"
    ),
}

_EVICTED = "placement/eviction/test_evictions.py::"

EVICTIONS: Mapping[str, str] = {
    "Eviction Valid True ClusterResourcePlacementEvictionValid": (
        _EVICTED + "test_a_placement_is_taken_off_a_tainted_member"
    ),
    "Eviction Valid False ClusterResourcePlacementEvictionInvalid": (_EVICTED + "test_what_names_nothing_is_not_valid"),
    "Eviction Executed True ClusterResourcePlacementEvictionExecuted": (
        _EVICTED + "test_a_placement_is_taken_off_a_tainted_member"
    ),
    "Eviction Executed False ClusterResourcePlacementEvictionNotExecuted": (
        _EVICTED + "test_a_budget_lets_go_no_more_than_it_allows"
    ),
}

REASONS: Mapping[str, str] = {**MEMBERS, **PLACEMENTS, **BINDINGS, **WORKS, **RUNS, **EVICTIONS}
