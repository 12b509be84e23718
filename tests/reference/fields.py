"""Which test shows what a field does, struct by struct.

A test named here sets the field, or reads it, and would fail if the field did not do what it says. The fields
that every kind has (``spec``, ``status``) stand for the kind: a kind is shown by a test of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

_MEMBERS = "membership/test_members.py::"
_JOINING = "agent/test_joining.py::"
_APPLYING = "agent/test_applying.py::"
_STRATEGIES = "agent/test_strategies.py::"
_PLACED = "placement/test_placement_life.py::"
_SELECTED = "placement/test_selection.py::"
_STATUS = "placement/test_status.py::"
_SCHEDULED = "placement/test_scheduler.py::"
_SCHEDULE = "placement/scheduling/test_schedule.py::"
_AFFINITY = "placement/scheduling/test_affinity.py::"
_RULES = "placement/test_policy_rules.py::"
_ROLLING = "placement/test_rolling_update.py::"
_OVERRIDES = "placement/overrides/test_rollouts.py::"
_MATCHING = "placement/overrides/test_matching.py::"
_PATCHING = "placement/overrides/test_patching.py::"
_ENVELOPES = "placement/test_enveloped.py::"
_COPIES = "placement/test_status_copy.py::"
_REPORTS = "placement/test_reports.py::"
_WORK = "placement/test_work.py::"
_STAGED = "placement/staged/"
_BEGIN = _STAGED + "test_initialization.py::"
_EVICTIONS = "placement/eviction/test_evictions.py::"

_BOUND = _SCHEDULED + "test_all_members_get_a_binding"
_DRIFTS = _WORK + "test_drifts_and_differences"
_FAILED_ONE = _ENVELOPES + "test_what_fails_says_in_which_envelope_it_was"
_OWNED = _APPLYING + "test_what_is_applied_belongs_to_an_applied_work"

KINDS: Mapping[str, str] = {
    "MemberCluster": _MEMBERS + "test_a_member_gets_its_namespace_rights_and_internal_member",
    "InternalMemberCluster": _MEMBERS + "test_a_member_gets_its_namespace_rights_and_internal_member",
    "ClusterResourcePlacement": _PLACED + "test_what_a_new_placement_gets",
    "ResourcePlacement": _STAGED + "test_namespaced.py::test_a_run_in_a_namespace",
    "ClusterResourcePlacementStatus": _COPIES + "test_the_copy_follows_the_status",
    "ClusterSchedulingPolicySnapshot": _PLACED + "test_policy_snapshots_follow_the_policy",
    "SchedulingPolicySnapshot": _STAGED + "test_namespaced.py::test_a_run_in_a_namespace",
    "ClusterResourceSnapshot": _PLACED + "test_large_selections_come_in_parts",
    "ResourceSnapshot": _STAGED + "test_namespaced.py::test_a_run_in_a_namespace",
    "ClusterResourceBinding": _BOUND,
    "ResourceBinding": _STAGED + "test_namespaced.py::test_a_run_in_a_namespace",
    "Work": "placement/test_work_generator.py::test_what_a_work_says",
    "AppliedWork": _OWNED,
    "ClusterStagedUpdateRun": _STAGED + "test_order.py::test_stages_follow_each_other",
    "StagedUpdateRun": _STAGED + "test_namespaced.py::test_a_run_in_a_namespace",
    "ClusterStagedUpdateStrategy": _STAGED + "test_states.py::test_a_strategy_may_go_once_the_run_is_initialized",
    "StagedUpdateStrategy": _STAGED + "test_namespaced.py::test_a_run_in_a_namespace",
    "ClusterApprovalRequest": _STAGED + "test_approval_life.py::test_what_a_request_says",
    "ApprovalRequest": _STAGED + "test_namespaced.py::test_a_run_in_a_namespace",
    "ClusterResourceOverride": "placement/overrides/test_snapshots.py::test_what_a_snapshot_is",
    "ClusterResourceOverrideSnapshot": "placement/overrides/test_snapshots.py::test_what_a_snapshot_is",
    "ResourceOverride": "placement/overrides/test_snapshots.py::test_what_a_snapshot_is",
    "ResourceOverrideSnapshot": "placement/overrides/test_snapshots.py::test_what_a_snapshot_is",
    "ClusterResourcePlacementEviction": _EVICTIONS + "test_a_placement_is_taken_off_a_tainted_member",
    "ClusterResourcePlacementDisruptionBudget": _EVICTIONS + "test_a_budget_lets_go_no_more_than_it_allows",
    "ClusterResourceEnvelope": _ENVELOPES + "test_cluster_scoped_objects",
    "ResourceEnvelope": _ENVELOPES + "test_what_is_wrapped_has_a_work_of_its_own",
}

MEMBERS: Mapping[str, str] = {
    "MemberClusterSpec.identity": _MEMBERS + "test_the_identity_may_change",
    "MemberClusterSpec.heartbeatPeriodSeconds": _MEMBERS + "test_the_heartbeat_period_may_change",
    "MemberClusterSpec.taints": _SCHEDULED + "test_a_taint_keeps_new_placements_away_and_leaves_old_ones",
    "MemberClusterSpec.deleteOptions": _MEMBERS + "test_skip_lets_a_member_go_that_exports_services",
    "Subject.kind": _MEMBERS + "test_a_service_account_needs_no_group",
    "Subject.name": _MEMBERS + "test_the_identity_may_change",
    "Subject.apiGroup": _MEMBERS + "test_a_member_gets_its_namespace_rights_and_internal_member",
    "Subject.namespace": _MEMBERS + "test_a_service_account_needs_no_group",
    "Taint.key": _SCHEDULE + "test_tolerations",
    "Taint.value": _SCHEDULE + "test_tolerations",
    "Taint.effect": _SCHEDULE + "test_tolerations",
    "DeleteOptions.validationMode": _MEMBERS + "test_skip_lets_a_member_go_that_exports_services",
    "MemberClusterStatus.conditions": _MEMBERS + "test_joined_follows_the_agent",
    "MemberClusterStatus.properties": _MEMBERS + "test_what_the_agent_reports_is_copied",
    "MemberClusterStatus.resourceUsage": _MEMBERS + "test_what_the_agent_reports_is_copied",
    "MemberClusterStatus.agentStatus": _MEMBERS + "test_a_heartbeat_costs_one_small_write",
    "MemberClusterStatus.namespaces": _MEMBERS + "test_what_the_agent_reports_is_copied",
    "PropertyValue.value": _JOINING + "test_properties",
    "PropertyValue.observationTime": _MEMBERS + "test_what_the_agent_reports_is_copied",
    "ResourceUsage.capacity": _JOINING + "test_nodes_are_news",
    "ResourceUsage.allocatable": _JOINING + "test_nodes_are_news",
    "ResourceUsage.available": _JOINING + "test_available_is_what_no_pod_has_asked_for",
    "ResourceUsage.observationTime": _MEMBERS + "test_what_the_agent_reports_is_copied",
    "AgentStatus.type": _JOINING + "test_what_other_agents_of_the_member_say_stays",
    "AgentStatus.conditions": _JOINING + "test_joined_and_healthy",
    "AgentStatus.lastReceivedHeartbeat": _MEMBERS + "test_a_heartbeat_costs_one_small_write",
    "InternalMemberClusterSpec.state": _JOINING + "test_on_leaving_works_are_let_go_and_objects_stay",
    "InternalMemberClusterSpec.heartbeatPeriodSeconds": _JOINING + "test_the_period_may_change",
    "InternalMemberClusterStatus.conditions": _JOINING + "test_properties",
    "InternalMemberClusterStatus.properties": _JOINING + "test_properties",
    "InternalMemberClusterStatus.resourceUsage": _JOINING + "test_nodes_are_news",
    "InternalMemberClusterStatus.agentStatus": _JOINING + "test_what_other_agents_of_the_member_say_stays",
    "InternalMemberClusterStatus.namespaces": (
        "agent/test_namespaces.py::test_namespaces_come_with_the_applied_work_that_owns_them"
    ),
}

POLICY: Mapping[str, str] = {
    "PlacementPolicy.placementType": _SCHEDULE + "test_naming_members",
    "PlacementPolicy.clusterNames": _SCHEDULED + "test_members_that_are_named",
    "PlacementPolicy.numberOfClusters": "placement/test_pick_number.py::test_another_number_is_no_other_policy",
    "PlacementPolicy.affinity": "placement/test_pick_number.py::test_the_best_are_chosen",
    "PlacementPolicy.topologySpreadConstraints": "placement/test_pick_number.py::test_a_spread_over_zones",
    "PlacementPolicy.tolerations": _SCHEDULE + "test_tolerations",
    "Affinity.clusterAffinity": "placement/test_pick_number.py::test_another_policy_judges_anew",
    "ClusterAffinity.requiredDuringSchedulingIgnoredDuringExecution": (
        "placement/test_pick_number.py::test_another_policy_judges_anew"
    ),
    "ClusterAffinity.preferredDuringSchedulingIgnoredDuringExecution": _AFFINITY + "test_weights_of_labels_add_up",
    "ClusterSelector.clusterSelectorTerms": _MATCHING + "test_members_of_a_rule",
    "ClusterSelectorTerm.labelSelector": _AFFINITY + "test_label_expressions",
    "ClusterSelectorTerm.propertySelector": _AFFINITY + "test_comparisons",
    "ClusterSelectorTerm.propertySorter": _AFFINITY + "test_a_sorter_gives_each_its_share",
    "PropertySelector.matchExpressions": _AFFINITY + "test_comparisons",
    "PropertySelectorRequirement.name": _AFFINITY + "test_what_nodes_have_offer_and_have_left",
    "PropertySelectorRequirement.operator": _AFFINITY + "test_comparisons",
    "PropertySelectorRequirement.values": _AFFINITY + "test_comparisons",
    "PropertySorter.name": _AFFINITY + "test_a_sorter_gives_each_its_share",
    "PropertySorter.sortOrder": _AFFINITY + "test_a_sorter_gives_each_its_share",
    "PreferredClusterSelector.weight": _AFFINITY + "test_weights_of_labels_add_up",
    "PreferredClusterSelector.preference": _AFFINITY + "test_weights_of_labels_add_up",
    "TopologySpreadConstraint.maxSkew": _SCHEDULE + "test_a_hard_spread_is_never_exceeded",
    "TopologySpreadConstraint.topologyKey": _SCHEDULE + "test_a_hard_spread_is_never_exceeded",
    "TopologySpreadConstraint.whenUnsatisfiable": _SCHEDULE + "test_a_hard_spread_is_never_exceeded",
    "Toleration.key": _SCHEDULE + "test_tolerations",
    "Toleration.operator": _SCHEDULE + "test_tolerations",
    "Toleration.value": _SCHEDULE + "test_tolerations",
    "Toleration.effect": _SCHEDULE + "test_tolerations",
    "SchedulingPolicySnapshotSpec.policy": _PLACED + "test_policy_snapshots_follow_the_policy",
    "SchedulingPolicySnapshotSpec.policyHash": "placement/test_policy.py::test_the_number_of_members_is_not_part_of_it",
    "SchedulingPolicySnapshotStatus.observedCRPGeneration": _BOUND,
    "SchedulingPolicySnapshotStatus.conditions": _BOUND,
    "SchedulingPolicySnapshotStatus.targetClusters": _BOUND,
    "ClusterDecision.clusterName": _BOUND,
    "ClusterDecision.selected": _SCHEDULE + "test_every_member_concerned_is_decided_on_once",
    "ClusterDecision.clusterScore": _SCHEDULE + "test_the_scores_of_a_choice",
    "ClusterDecision.reason": _SCHEDULE + "test_why_a_member_is_not_chosen",
    "ClusterScore.affinityScore": _SCHEDULE + "test_the_scores_of_a_choice",
    "ClusterScore.priorityScore": _SCHEDULE + "test_the_scores_of_a_choice",
}

PLACEMENTS: Mapping[str, str] = {
    "PlacementSpec.resourceSelectors": _PLACED + "test_bad_selectors_are_shown",
    "PlacementSpec.policy": _PLACED + "test_policy_snapshots_follow_the_policy",
    "PlacementSpec.strategy": _STAGED + "test_changes.py::test_another_way_of_applying_ends_the_run",
    "PlacementSpec.revisionHistoryLimit": _PLACED + "test_old_snapshots_are_trimmed_to_the_history",
    "PlacementSpec.statusReportingScope": _COPIES + "test_without_being_asked_for_there_is_no_copy",
    "ResourceSelector.group": _SELECTED + "test_selectors_that_cannot_be_followed",
    "ResourceSelector.version": _SELECTED + "test_selectors_that_cannot_be_followed",
    "ResourceSelector.kind": _SELECTED + "test_selectors_that_cannot_be_followed",
    "ResourceSelector.name": _SELECTED + "test_what_is_not_there_or_on_its_way_out_is_not_selected",
    "ResourceSelector.labelSelector": _SELECTED + "test_by_label",
    "ResourceSelector.selectionScope": _SELECTED + "test_a_namespace_with_what_other_selectors_choose_in_it",
    "RolloutStrategy.type": _STAGED + "test_waiting_to_begin.py::test_a_placement_that_rolls_out_by_itself",
    "RolloutStrategy.rollingUpdate": _OVERRIDES + "test_a_change_goes_out_a_few_members_at_a_time",
    "RolloutStrategy.applyStrategy": _STAGED + "test_changes.py::test_another_way_of_applying_ends_the_run",
    "RolloutStrategy.deleteStrategy": "placement/test_abandon.py::test_what_was_placed_stays",
    "RolloutStrategy.reportBackStrategy": "placement/test_report_back.py::test_status_comes_back_to_the_work",
    "RollingUpdateConfig.maxUnavailable": _ROLLING + "test_a_change_goes_out_a_few_members_at_a_time",
    "RollingUpdateConfig.maxSurge": _ROLLING + "test_members_that_only_compare_take_up_no_room",
    "RollingUpdateConfig.unavailablePeriodSeconds": (_ROLLING + "test_members_that_cannot_be_tracked_get_their_time"),
    "ApplyStrategy.comparisonOption": _REPORTS + "test_what_others_set_besides",
    "ApplyStrategy.whenToApply": _REPORTS + "test_a_drift_that_is_left",
    "ApplyStrategy.type": _STRATEGIES + "test_server_side_apply",
    "ApplyStrategy.whenToTakeOver": _STRATEGIES + "test_take_over_never",
    "ApplyStrategy.serverSideApplyConfig": (_STRATEGIES + "test_server_side_apply_undoes_drift_of_its_fields_by_force"),
    "ApplyStrategy.allowCoOwnership": _STRATEGIES + "test_an_object_with_owners_outside_the_fleet_is_refused",
    "ServerSideApplyConfig.force": _STRATEGIES + "test_server_side_apply_undoes_drift_of_its_fields_by_force",
    "DeleteStrategy.propagationPolicy": "placement/test_abandon.py::test_what_was_placed_stays",
    "ReportBackStrategy.type": "placement/test_report_back.py::test_status_comes_back_to_the_work",
    "ReportBackStrategy.destination": "placement/test_report_back.py::test_status_comes_back_to_the_object",
    "PlacementStatus.selectedResources": _STATUS + "test_everything_is_available_everywhere",
    "PlacementStatus.observedResourceIndex": _STAGED + "test_snapshot_choice.py::test_an_older_index_rolls_back",
    "PlacementStatus.placementStatuses": "placement/test_placement_status.py::test_while_members_differ",
    "PlacementStatus.conditions": _STATUS + "test_everything_is_available_everywhere",
    "ResourceIdentifier.group": "placement/test_identifiers.py::test_names",
    "ResourceIdentifier.version": "placement/test_identifiers.py::test_names",
    "ResourceIdentifier.kind": "placement/test_identifiers.py::test_names",
    "ResourceIdentifier.name": "placement/test_identifiers.py::test_names",
    "ResourceIdentifier.namespace": "placement/test_identifiers.py::test_names",
    "ResourceIdentifier.envelope": _FAILED_ONE,
    "EnvelopeIdentifier.name": _FAILED_ONE,
    "EnvelopeIdentifier.namespace": _FAILED_ONE,
    "EnvelopeIdentifier.type": _FAILED_ONE,
    "PerClusterPlacementStatus.clusterName": _STATUS + "test_members_that_could_not_be_chosen",
    "PerClusterPlacementStatus.observedResourceIndex": (
        _STAGED + "test_snapshot_choice.py::test_an_older_index_rolls_back"
    ),
    "PerClusterPlacementStatus.applicableResourceOverrides": _OVERRIDES + "test_each_member_gets_what_is_for_it",
    "PerClusterPlacementStatus.applicableClusterResourceOverrides": (
        _OVERRIDES + "test_each_member_gets_what_is_for_it"
    ),
    "PerClusterPlacementStatus.failedPlacements": _FAILED_ONE,
    "PerClusterPlacementStatus.driftedPlacements": _REPORTS + "test_a_drift_that_is_left",
    "PerClusterPlacementStatus.diffedPlacements": _REPORTS + "test_an_object_that_is_there_already_and_differs",
    "PerClusterPlacementStatus.conditions": _STATUS + "test_everything_is_available_everywhere",
    "NamespacedName.name": _OVERRIDES + "test_each_member_gets_what_is_for_it",
    "NamespacedName.namespace": _OVERRIDES + "test_each_member_gets_what_is_for_it",
    **{f"FailedResourcePlacement.{field}": _FAILED_ONE for field in ("group", "version", "kind", "name", "namespace")},
    "FailedResourcePlacement.envelope": _FAILED_ONE,
    "FailedResourcePlacement.condition": "placement/test_placement_status.py::test_the_one_in_trouble_is_named",
    **{f"DriftedResourcePlacement.{field}": _DRIFTS for field in ("group", "version", "kind", "name", "namespace")},
    "DriftedResourcePlacement.envelope": _FAILED_ONE,
    "DriftedResourcePlacement.observationTime": _DRIFTS,
    "DriftedResourcePlacement.targetClusterObservedGeneration": _DRIFTS,
    "DriftedResourcePlacement.firstDriftedObservedTime": _DRIFTS,
    "DriftedResourcePlacement.observedDrifts": _DRIFTS,
    **{f"DiffedResourcePlacement.{field}": _DRIFTS for field in ("group", "version", "kind", "name", "namespace")},
    "DiffedResourcePlacement.envelope": _FAILED_ONE,
    "DiffedResourcePlacement.observationTime": _DRIFTS,
    "DiffedResourcePlacement.targetClusterObservedGeneration": _DRIFTS,
    "DiffedResourcePlacement.firstDiffedObservedTime": _DRIFTS,
    "DiffedResourcePlacement.observedDiffs": _DRIFTS,
    "PatchDetail.path": _REPORTS + "test_a_drift_that_is_left",
    "PatchDetail.valueInMember": _REPORTS + "test_a_drift_that_is_left",
    "PatchDetail.valueInHub": _REPORTS + "test_a_drift_that_is_left",
    "ClusterResourcePlacementStatus.sourceStatus": _COPIES + "test_the_copy_follows_the_status",
    "ClusterResourcePlacementStatus.lastUpdatedTime": _COPIES + "test_the_copy_follows_the_status",
    "ResourceSnapshotSpec.selectedResources": "placement/test_content.py::test_objects_of_a_kind_that_came_later",
    "ResourceBindingSpec.state": _BOUND,
    "ResourceBindingSpec.resourceSnapshotName": _BOUND,
    "ResourceBindingSpec.resourceOverrideSnapshots": _OVERRIDES + "TestStagedRuns::test_overrides_are_frozen",
    "ResourceBindingSpec.clusterResourceOverrideSnapshots": (_OVERRIDES + "TestStagedRuns::test_overrides_are_frozen"),
    "ResourceBindingSpec.schedulingPolicySnapshotName": _BOUND,
    "ResourceBindingSpec.targetCluster": _BOUND,
    "ResourceBindingSpec.clusterDecision": _BOUND,
    "ResourceBindingSpec.applyStrategy": _STAGED + "test_observation.py::test_what_a_run_gives",
    "ResourceBindingStatus.failedPlacements": _FAILED_ONE,
    "ResourceBindingStatus.driftedPlacements": _DRIFTS,
    "ResourceBindingStatus.diffedPlacements": _DRIFTS,
    "ResourceBindingStatus.conditions": (
        "placement/test_work_generator.py::test_a_binding_reports_what_the_member_does"
    ),
}

WORKS: Mapping[str, str] = {
    "WorkSpec.workload": "placement/test_work_generator.py::test_what_a_work_says",
    "WorkSpec.applyStrategy": "placement/test_work_generator.py::test_what_a_work_says",
    "WorkSpec.reportBackStrategy": "agent/test_report_back.py::test_the_status_of_objects_is_in_the_work",
    "WorkloadTemplate.manifests": "placement/test_work_generator.py::test_what_a_work_says",
    "WorkStatus.conditions": "agent/test_work_status.py::test_conditions_of_a_work",
    "WorkStatus.manifestConditions": "agent/test_work_status.py::test_times_of_details",
    "ManifestCondition.identifier": _STRATEGIES + "test_at_most_a_hundred_details_of_an_object",
    "ManifestCondition.conditions": "agent/test_work_status.py::test_availability_of_a_manifest",
    "ManifestCondition.driftDetails": _STRATEGIES + "test_found_drifts",
    "ManifestCondition.diffDetails": _STRATEGIES + "test_failed_to_take_over_because_of_a_diff",
    "ManifestCondition.backReportedStatus": "agent/test_report_back.py::test_the_status_of_objects_is_in_the_work",
    **{
        f"WorkResourceIdentifier.{field}": _OWNED
        for field in ("ordinal", "group", "version", "kind", "resource", "namespace", "name")
    },
    "DriftDetails.observationTime": _STRATEGIES + "test_times_of_a_drift",
    "DriftDetails.observedInMemberClusterGeneration": _DRIFTS,
    "DriftDetails.firstDriftedObservedTime": _STRATEGIES + "test_times_of_a_drift",
    "DriftDetails.observedDrifts": _STRATEGIES + "test_found_drifts",
    "DiffDetails.observationTime": "agent/test_work_status.py::test_times_of_details",
    "DiffDetails.observedInMemberClusterGeneration": (
        _STRATEGIES + "test_an_object_that_is_not_there_differs_as_a_whole"
    ),
    "DiffDetails.firstDiffedObservedTime": _STRATEGIES + "test_a_status_too_large_to_store_loses_its_details",
    "DiffDetails.observedDiffs": _STRATEGIES + "test_found_diff",
    "BackReportedStatus.observedStatus": "agent/test_report_back.py::test_the_status_of_objects_is_in_the_work",
    "BackReportedStatus.observationTime": "agent/test_report_back.py::test_the_status_of_objects_is_in_the_work",
    "AppliedWorkSpec.workName": _OWNED,
    "AppliedWorkSpec.workNamespace": _OWNED,
    "AppliedWorkStatus.appliedResources": _OWNED,
    **{
        f"AppliedResourceMeta.{field}": _OWNED
        for field in ("ordinal", "group", "version", "kind", "resource", "namespace", "name", "uid")
    },
}

RUNS: Mapping[str, str] = {
    "UpdateRunSpec.placementName": _STAGED + "test_rivals.py::test_runs_of_different_placements_do_not_meet",
    "UpdateRunSpec.resourceSnapshotIndex": _STAGED + "test_snapshot_choice.py::test_an_older_index_rolls_back",
    "UpdateRunSpec.stagedRolloutStrategyName": _STAGED + "test_waiting_to_begin.py::test_no_strategy",
    "UpdateRunSpec.state": _STAGED + "test_states.py::test_stop_waits_for_what_is_under_way",
    "UpdateRunStatus.policySnapshotIndexUsed": _BEGIN + "test_what_a_run_starts_with",
    "UpdateRunStatus.policyObservedClusterCount": _BEGIN + "test_what_a_run_starts_with",
    "UpdateRunStatus.resourceSnapshotIndexUsed": _BEGIN + "test_what_a_run_starts_with",
    "UpdateRunStatus.appliedStrategy": _BEGIN + "test_what_a_run_starts_with",
    "UpdateRunStatus.stagedUpdateStrategySnapshot": _BEGIN + "test_the_strategy_is_kept_with_canonical_durations",
    "UpdateRunStatus.stagesStatus": _STAGED + "test_order.py::test_stages_follow_each_other",
    "UpdateRunStatus.deletionStageStatus": _STAGED + "test_delete_stage.py::test_emptying_is_waited_for",
    "UpdateRunStatus.conditions": _STAGED + "test_reporting.py::test_every_row_of_the_catalogue",
    "UpdateStrategySpec.stages": _STAGED + "test_order.py::test_stages_follow_each_other",
    "StageConfig.name": _BEGIN + "test_names_of_approval_requests",
    "StageConfig.labelSelector": _BEGIN + "test_a_selector_with_expressions",
    "StageConfig.sortingLabelKey": _STAGED + "test_order.py::test_members_go_by_the_number_in_the_sorting_label",
    "StageConfig.maxConcurrency": _STAGED + "test_order.py::test_no_more_members_at_a_time_than_allowed",
    "StageConfig.beforeStageTasks": (
        _STAGED + "test_approval_life.py::test_nothing_starts_before_the_approval_before_a_stage"
    ),
    "StageConfig.afterStageTasks": _STAGED + "test_waits.py::test_wait_and_approval_go_on_side_by_side",
    "StageTask.type": _STAGED + "test_waits.py::test_wait_and_approval_go_on_side_by_side",
    "StageTask.waitTime": _STAGED + "test_waits.py::test_the_next_stage_waits_as_long_as_it_was_told",
    "StageUpdatingStatus.stageName": _STAGED + "test_order.py::test_stages_follow_each_other",
    "StageUpdatingStatus.clusters": _BEGIN + "test_what_a_run_starts_with",
    "StageUpdatingStatus.beforeStageTaskStatus": _BEGIN + "test_names_of_approval_requests",
    "StageUpdatingStatus.afterStageTaskStatus": _BEGIN + "test_names_of_approval_requests",
    "StageUpdatingStatus.startTime": _STAGED + "test_reporting.py::test_times_of_a_stage",
    "StageUpdatingStatus.endTime": _STAGED + "test_reporting.py::test_times_of_a_stage",
    "StageUpdatingStatus.conditions": _STAGED + "test_reporting.py::test_every_row_of_the_catalogue",
    "ClusterUpdatingStatus.clusterName": _BEGIN + "test_what_a_run_starts_with",
    "ClusterUpdatingStatus.resourceOverrideSnapshots": _OVERRIDES + "TestStagedRuns::test_overrides_are_frozen",
    "ClusterUpdatingStatus.clusterResourceOverrideSnapshots": (
        _OVERRIDES + "TestStagedRuns::test_overrides_are_frozen"
    ),
    "ClusterUpdatingStatus.conditions": _STAGED + "test_changes.py::test_a_member_that_left_is_skipped",
    "StageTaskStatus.type": _BEGIN + "test_names_of_approval_requests",
    "StageTaskStatus.approvalRequestName": _BEGIN + "test_names_of_approval_requests",
    "StageTaskStatus.conditions": _STAGED + "test_approval_life.py::test_the_words_of_the_documentation",
    "ApprovalRequestSpec.parentStageRollout": _STAGED + "test_approval_life.py::test_what_a_request_says",
    "ApprovalRequestSpec.targetStage": _STAGED + "test_approval_life.py::test_what_a_request_says",
    "ApprovalRequestStatus.conditions": (
        _STAGED + "test_approval_life.py::test_an_accepted_approval_is_marked_and_cannot_be_taken_back"
    ),
}

OVERRIDES: Mapping[str, str] = {
    "ClusterResourceOverrideSpec.placement": _MATCHING + "test_the_placement_that_an_override_is_for",
    "ClusterResourceOverrideSpec.clusterResourceSelectors": _MATCHING + "test_a_namespace_alone_stands_for_itself",
    "ClusterResourceOverrideSpec.policy": _OVERRIDES + "test_the_namespace_and_what_is_in_it",
    "PlacementRef.name": _MATCHING + "test_the_placement_that_an_override_is_for",
    "PlacementRef.scope": _MATCHING + "test_the_placement_that_an_override_is_for",
    "OverridePolicy.overrideRules": _PATCHING + "test_rules_apply_in_order_and_only_to_their_members",
    "OverrideRule.clusterSelector": _MATCHING + "test_members_of_a_rule",
    "OverrideRule.overrideType": _PATCHING + "test_delete_ends_it",
    "OverrideRule.jsonPatchOverrides": _PATCHING + "test_operations_apply_in_order",
    "JSONPatchOverride.op": _PATCHING + "test_operations_apply_in_order",
    "JSONPatchOverride.path": _PATCHING + "test_lists_and_pointers",
    "JSONPatchOverride.value": _PATCHING + "test_any_json_is_a_value",
    "ClusterResourceOverrideSnapshotSpec.overrideSpec": (
        "placement/overrides/test_snapshots.py::test_what_a_snapshot_is"
    ),
    "ClusterResourceOverrideSnapshotSpec.overrideHash": (
        "placement/overrides/test_snapshots.py::test_what_a_snapshot_is"
    ),
    "ResourceOverrideSpec.placement": _MATCHING + "test_the_placement_that_an_override_is_for",
    "ResourceOverrideSpec.resourceSelectors": _MATCHING + "test_an_override_hits_what_it_names",
    "ResourceOverrideSpec.policy": _OVERRIDES + "test_each_member_gets_what_is_for_it",
    **{
        f"NamedResourceSelector.{field}": _MATCHING + "test_an_override_hits_what_it_names"
        for field in ("group", "version", "kind", "name")
    },
    "ResourceOverrideSnapshotSpec.overrideSpec": "placement/overrides/test_snapshots.py::test_what_a_snapshot_is",
    "ResourceOverrideSnapshotSpec.overrideHash": "placement/overrides/test_snapshots.py::test_what_a_snapshot_is",
    "EvictionSpec.placementName": _EVICTIONS + "test_what_names_nothing_is_not_valid",
    "EvictionSpec.clusterName": _EVICTIONS + "test_what_names_nothing_is_not_valid",
    "EvictionStatus.conditions": _EVICTIONS + "test_a_judgement_is_final",
    "DisruptionBudgetSpec.maxUnavailable": "placement/eviction/test_judgement.py::test_a_budget",
    "DisruptionBudgetSpec.minAvailable": "placement/eviction/test_judgement.py::test_a_budget",
    "ClusterResourceEnvelope.data": _ENVELOPES + "test_cluster_scoped_objects",
    "ResourceEnvelope.data": _ENVELOPES + "test_what_is_wrapped_has_a_work_of_its_own",
}

FIELDS: Mapping[str, str] = {**MEMBERS, **POLICY, **PLACEMENTS, **WORKS, **RUNS, **OVERRIDES}

INERT: Mapping[str, str] = {
    "ResourceSnapshotStatus.conditions": "served for clients that know it; no controller of KubeFleet sets it either",
}
