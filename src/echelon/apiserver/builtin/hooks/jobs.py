"""Jobs and CronJobs."""

from __future__ import annotations

from collections.abc import Iterator

from echelon.apiserver.builtin.hooks.base import IMMUTABLE, Faults, KindHooks, label_selector, not_negative, selects
from echelon.apiserver.builtin.hooks.pods import pod_spec
from echelon.apiserver.definitions import Object
from echelon.apiserver.errors import FieldError, invalid_value, required

_CONTROLLER_UID = "batch.kubernetes.io/controller-uid"
_JOB_NAME = "batch.kubernetes.io/job-name"
_NAME_LIMIT = 52


def _job_created(job: Object) -> None:
    """Pods of a job are told apart by its uid, unless the user chose a selector."""
    spec, metadata = job["spec"], job["metadata"]
    if spec.get("manualSelector"):
        return
    labels = spec.setdefault("template", {}).setdefault("metadata", {}).setdefault("labels", {})
    uid, name = metadata.get("uid", ""), metadata.get("name", "")
    for key, value in ((_CONTROLLER_UID, uid), ("controller-uid", uid), (_JOB_NAME, name), ("job-name", name)):
        labels.setdefault(key, value)
    spec.setdefault("selector", {}).setdefault("matchLabels", {}).setdefault(_CONTROLLER_UID, uid)


def _job_spec(spec: Object, path: str) -> Iterator[FieldError]:
    counts = ("parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished")
    yield from not_negative(spec, path, *counts)
    if spec.get("completionMode") == "Indexed" and "completions" not in spec:
        yield required(f"{path}.completions", "when completion mode is Indexed")
    template = spec.get("template", {}).get("spec", {})
    yield from pod_spec(template, f"{path}.template.spec")
    if template.get("restartPolicy") not in ("OnFailure", "Never"):
        yield required(f"{path}.template.spec.restartPolicy", 'valid values: "OnFailure", "Never"')


def _job(job: Object, old: Object | None, subresource: str) -> Faults:
    if subresource == "status":
        yield from not_negative(job.get("status", {}), "status", "active", "succeeded", "failed")
        return
    spec = job["spec"]
    selector = spec.get("selector")
    if selector is None:
        yield required("spec.selector")
    else:
        yield from label_selector(selector, "spec.selector")
        labels = spec.get("template", {}).get("metadata", {}).get("labels", {})
        if not selects(selector, labels):
            yield invalid_value("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    yield from _job_spec(spec, "spec")
    if old is not None:
        for field in ("completions", "selector", "template", "completionMode"):
            if field == "completions" and spec.get("completionMode") == "Indexed":
                continue
            if spec.get(field) != old["spec"].get(field) and not (field == "template" and old["spec"].get("suspend")):
                yield invalid_value(f"spec.{field}", spec.get(field), IMMUTABLE)


def _cron_job(cron_job: Object, old: Object | None, subresource: str) -> Faults:
    if subresource == "status":
        return
    spec = cron_job["spec"]
    name = cron_job["metadata"].get("name", "")
    if old is None and len(name) > _NAME_LIMIT:
        yield invalid_value("metadata.name", name, "must be no more than 52 characters")
    schedule = spec.get("schedule", "")
    if schedule and not schedule.startswith("@") and len(schedule.split()) != 5:
        found = len(schedule.split())
        yield invalid_value("spec.schedule", schedule, f"expected exactly 5 fields, found {found}: {schedule.split()}")
    fields = ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit")
    yield from not_negative(spec, "spec", *fields)
    yield from _job_spec(spec.get("jobTemplate", {}).get("spec", {}), "spec.jobTemplate.spec")


JOB_HOOKS = {
    "batch.Job": KindHooks(create=_job_created, check=_job),
    "batch.CronJob": KindHooks(check=_cron_job),
}
