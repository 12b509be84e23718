"""What the agent counts."""

from __future__ import annotations

from prometheus_client import REGISTRY

from .member import Member, config_map, custom, custom_definition, deployment, secret


def counted(metric: str, **labels: str) -> float:
    return sum(
        sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name == metric and labels.items() <= sample.labels.items()
    )


class Counts:
    """How much was counted since this was made."""

    def __init__(self) -> None:
        self._works = self._read("fleet_work_processing_requests_total")
        self._manifests = self._read("fleet_manifest_processing_requests_total")

    def _read(self, metric: str) -> dict[tuple[tuple[str, str], ...], float]:
        return {
            tuple(sample.labels.items()): sample.value
            for family in REGISTRY.collect()
            for sample in family.samples
            if sample.name == metric
        }

    def works(self) -> set[tuple[str, ...]]:
        return self._since("fleet_work_processing_requests_total", self._works)

    def manifests(self) -> set[tuple[str, ...]]:
        return self._since("fleet_manifest_processing_requests_total", self._manifests)

    def _since(self, metric: str, before: dict[tuple[tuple[str, str], ...], float]) -> set[tuple[str, ...]]:
        now = self._read(metric)
        return {tuple(value for _, value in key) for key in now if now[key] > before.get(key, 0.0)}


async def test_works_that_are_applied(member: Member) -> None:
    before, took = Counts(), counted("work_apply_time_seconds_count")
    await member.work("web", config_map(), custom_definition(), custom(size=1))
    await member.available()
    assert ("applied", "not_trackable", "skipped") in before.works()
    assert {
        ("applied", "available", "skipped", "not_found", "not_found"),
        ("applied", "not_trackable", "skipped", "not_found", "not_found"),
    } <= before.manifests()
    assert counted("work_apply_time_seconds_count") > took


async def test_works_that_are_not_ready_or_fail(member: Member) -> None:
    before = Counts()
    await member.work("web", deployment())
    await member.applied()
    assert ("applied", "not_yet_available", "skipped") in before.works()
    await member.work("broken", custom(kind="Gadget"))
    await member.failed("DecodingErred", name="broken")
    assert ("failed", "skipped", "skipped") in before.works()
    assert ("failed", "skipped", "skipped", "not_found", "not_found") in before.manifests()


async def test_drifts_and_differences(member: Member) -> None:
    before = Counts()
    await member.work("web", config_map(), whenToApply="IfNotDrifted")
    await member.available()
    await member.member.edit("ConfigMap", "settings", {"data": {"key": "mine"}}, "app")
    await member.failed("FoundDrifts")
    assert ("failed", "skipped", "skipped", "found", "not_found") in before.manifests()
    await member.work("report", secret(), type="ReportDiff")
    await member.until(lambda: member.is_work("DiffReported", "True", name="report"))
    assert ("skipped", "skipped", "reported") in before.works()
    assert ("skipped", "skipped", "reported", "not_found", "found") in before.manifests()
