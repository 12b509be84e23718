#!/usr/bin/env bash
# The staged rollout tutorial for an application team: everything but the namespace itself stays in one
# namespace, with namespaced kinds. An administrator places the namespace; the team does the rest.
# Needs kubectl >= 1.27 and a running hub with three member clusters:
#   member1 environment=canary,order=2   member2 environment=staging   member3 environment=canary,order=1
# KUBECONFIG must hold the contexts hub, member1, member2, member3.
#   staged-rollout-namespaced.sh [WAIT]     WAIT: the staging stage's timed wait (default 5s; the tutorial says 1m)
# Prints one line a check; the exit status is the number of checks that failed.
set -u
wait_time=${1:-5s}; failed=0
hub() { kubectl --context hub "$@"; }
on() { kubectl --context "$1" "${@:2}"; }
check() { # check "what" "wanted" "got"
  if [ "$2" = "$3" ]; then echo "ok    $1"; else echo "FAIL  $1: wanted '$2', got '$3'"; failed=$((failed + 1)); fi; }
until_is() { # until_is SECONDS "wanted" command...   prints the last answer
  local end=$((SECONDS + $1)) want=$2 got; shift 2
  while :; do got=$("$@" 2>/dev/null); [ "$got" = "$want" ] && break; [ $SECONDS -ge $end ] && break; sleep 0.2; done; echo "$got"; }
columns() { hub get -n test-namespace "$1" "$2" 2>/dev/null | head -1 | tr -s ' ' | sed 's/ $//'; }
condition() { hub get -n test-namespace "$1" "$2" -o jsonpath="{.status.conditions[?(@.type=='$3')].status}"; }
value_on() { on "$1" get configmap test-cm -n test-namespace -o jsonpath='{.data.key}' 2>/dev/null || true; }
namespace_on() { on "$1" get namespace test-namespace -o jsonpath='{.status.phase}'; }
labels_of() { hub get -n test-namespace resourcesnapshots "$1" -o jsonpath="{.metadata.labels['kubernetes-fleet\.io/is-latest-snapshot']}/{.metadata.labels['kubernetes-fleet\.io/parent-CRP']}/{.metadata.labels['kubernetes-fleet\.io/resource-index']}"; }

check "three members have joined" "True True True" "$(until_is 30 'True True True' hub get memberclusters -o jsonpath="{.items[*].status.conditions[?(@.type=='Joined')].status}")"
hub create ns test-namespace >/dev/null
hub apply -f - >/dev/null <<'Y'
apiVersion: placement.kubernetes-fleet.io/v1beta1
kind: ClusterResourcePlacement
metadata:
  name: test-namespace
spec:
  resourceSelectors:
    - group: ""
      kind: Namespace
      name: test-namespace
      version: v1
      selectionScope: NamespaceOnly
  policy:
    placementType: PickAll
Y
check "namespace placed by the administrator" "Active Active Active" "$(until_is 30 Active namespace_on member1) $(until_is 30 Active namespace_on member2) $(until_is 30 Active namespace_on member3)"
hub create cm test-cm --from-literal=key=value1 -n test-namespace >/dev/null
hub apply -f - >/dev/null <<'Y'
apiVersion: placement.kubernetes-fleet.io/v1beta1
kind: ResourcePlacement
metadata:
  name: example-placement
  namespace: test-namespace
spec:
  resourceSelectors:
    - group: ""
      kind: ConfigMap
      name: test-cm
      version: v1
  policy:
    placementType: PickAll
  strategy:
    type: External
Y
check "placement scheduled" "True" "$(until_is 15 True condition rp example-placement ResourcePlacementScheduled)"
check "placement columns" "NAME GEN SCHEDULED SCHEDULED-GEN AVAILABLE AVAILABLE-GEN AGE" "$(columns rp example-placement)"
check "nothing placed before a run" "  " "$(value_on member1) $(value_on member2) $(value_on member3)"
check "first snapshot" "true/example-placement/0" "$(until_is 40 true/example-placement/0 labels_of example-placement-0-snapshot)"
hub patch cm test-cm -n test-namespace --type merge -p '{"data":{"key":"value2"}}' >/dev/null   # stands for kubectl edit
check "second snapshot is the latest" "true/example-placement/1" "$(until_is 60 true/example-placement/1 labels_of example-placement-1-snapshot)"
check "first snapshot is not" "false/example-placement/0" "$(labels_of example-placement-0-snapshot)"
check "snapshot holds the new value" "value2" "$(hub get -n test-namespace resourcesnapshots example-placement-1-snapshot -o jsonpath="{.spec.selectedResources[?(@.kind=='ConfigMap')].data.key}")"
check "snapshot holds the config map alone" "ConfigMap" "$(hub get -n test-namespace resourcesnapshots example-placement-1-snapshot -o jsonpath='{.spec.selectedResources[*].kind}')"
hub apply -f - >/dev/null <<Y
apiVersion: placement.kubernetes-fleet.io/v1beta1
kind: StagedUpdateStrategy
metadata:
  name: example-strategy
  namespace: test-namespace
spec:
  stages:
    - name: staging
      labelSelector:
        matchLabels:
          environment: staging
      afterStageTasks:
        - type: TimedWait
          waitTime: $wait_time
    - name: canary
      labelSelector:
        matchLabels:
          environment: canary
      sortingLabelKey: order
      afterStageTasks:
        - type: Approval
Y
start_run() { hub apply -f - >/dev/null <<Y
apiVersion: placement.kubernetes-fleet.io/v1beta1
kind: StagedUpdateRun
metadata:
  name: $1
  namespace: test-namespace
spec:
  placementName: example-placement
  resourceSnapshotIndex: "$2"
  stagedRolloutStrategyName: example-strategy
Y
}
started=$(date +%s%N)
start_run example-run 1
check "run initialized" "True" "$(until_is 15 True condition sur example-run Initialized)"
check "run columns" "NAME PLACEMENT RESOURCE-SNAPSHOT-INDEX POLICY-SNAPSHOT-INDEX INITIALIZED SUCCEEDED AGE" "$(columns sur example-run | sed 's/ PROGRESSING//')"
check "staging member updated first" "value2" "$(until_is 20 value2 value_on member2)"
check "canary waits for the timed wait" " " "$(value_on member1) $(value_on member3)"
check "canary members updated after the wait" "value2 value2" "$(until_is 90 value2 value_on member3) $(until_is 20 value2 value_on member1)"
check "order in canary: member3 before member1" "member3 member1" "$(hub get -n test-namespace sur example-run -o jsonpath='{.status.stagesStatus[1].clusters[*].clusterName}')"
check "approval requested" "example-run-canary" "$(until_is 20 example-run-canary hub get -n test-namespace sur example-run -o jsonpath='{.status.stagesStatus[1].afterStageTaskStatus[0].approvalRequestName}')"
check "approval object" "example-run canary" "$(until_is 20 'example-run canary' hub get -n test-namespace approvalrequest example-run-canary -o jsonpath='{.spec.parentStageRollout} {.spec.targetStage}')"
check "approval columns" "NAME UPDATE-RUN STAGE APPROVED APPROVALACCEPTED AGE" "$(columns approvalrequest example-run-canary)"
check "run waits" "False/UpdateRunWaiting" "$(until_is 20 False/UpdateRunWaiting hub get -n test-namespace sur example-run -o jsonpath="{.status.conditions[?(@.type=='Progressing')].status}/{.status.conditions[?(@.type=='Progressing')].reason}")"
check "timed wait elapsed" "True" "$(hub get -n test-namespace sur example-run -o jsonpath='{.status.stagesStatus[0].afterStageTaskStatus[0].conditions[0].status}')"
check "three clusters observed" "3" "$(hub get -n test-namespace sur example-run -o jsonpath='{.status.policyObservedClusterCount}')"
check "strategy copied into the status" "staging canary" "$(hub get -n test-namespace sur example-run -o jsonpath='{.status.stagedUpdateStrategySnapshot.stages[*].name}')"
check "delete stage is empty" "kubernetes-fleet.io/deleteStage" "$(hub get -n test-namespace sur example-run -o jsonpath='{.status.deletionStageStatus.stageName}')"
approve() { # the tutorial's approval.json
  local file; file=$(mktemp)
  cat >"$file" <<Y
{"status": {"conditions": [{"lastTransitionTime": "$(date -u +%Y-%m-%dT%H:%M:%SZ)", "message": "lgtm", "observedGeneration": 1, "reason": "testPassed", "status": "True", "type": "Approved"}]}}
Y
  hub patch -n test-namespace approvalrequests "$1" --type=merge --subresource=status --patch-file "$file" >/dev/null; rm -f "$file"; }
approve example-run-canary
check "approval accepted" "True" "$(until_is 15 True condition approvalrequest example-run-canary ApprovalAccepted)"
check "run succeeded" "True" "$(until_is 15 True condition sur example-run Succeeded)"
echo "      first run took $(( ($(date +%s%N) - started) / 1000000 )) ms, timed wait $wait_time included"
check "placement available" "True" "$(until_is 15 True condition rp example-placement ResourcePlacementAvailable)"
start_run example-run-2 0
check "rollback asks for approval" "example-run-2-canary" "$(until_is 90 example-run-2-canary hub get -n test-namespace approvalrequest example-run-2-canary -o jsonpath='{.metadata.name}')"
approve example-run-2-canary
check "rollback succeeded" "True" "$(until_is 30 True condition sur example-run-2 Succeeded)"
check "all members rolled back" "value1 value1 value1" "$(value_on member1) $(value_on member2) $(value_on member3)"
check "two runs listed" "example-run example-run-2" "$(hub get -n test-namespace sur -o jsonpath='{.items[*].metadata.name}')"
hub delete -n test-namespace sur example-run example-run-2 >/dev/null
hub delete -n test-namespace sus example-strategy >/dev/null
hub delete -n test-namespace rp example-placement >/dev/null
check "clean-up: approvals gone with their runs" "" "$(until_is 15 '' hub get -n test-namespace approvalrequest -o name)"
check "clean-up: snapshots gone with the placement" "" "$(until_is 15 '' hub get -n test-namespace resourcesnapshots -o name)"
check "clean-up: members emptied" "" "$(until_is 20 '' on member1 get -n test-namespace configmap test-cm --ignore-not-found -o name)"
check "clean-up: the namespace stays with the administrator's placement" "Active" "$(namespace_on member1)"
hub delete crp test-namespace >/dev/null
check "clean-up: namespace gone with it" "" "$(until_is 20 '' on member1 get namespace test-namespace --ignore-not-found -o name)"
hub delete namespace test-namespace >/dev/null
echo "$failed failed"
exit $failed
