"""The image is what the pods of a hub count on."""

from __future__ import annotations

from pathlib import Path

from echelon.hub.manifests import manifests
from echelon.hub.values import Values

ROOT = Path(__file__).parents[2]
LINES = (ROOT / "Dockerfile").read_text().splitlines()


def test_the_image_runs_as_the_user_of_the_pods() -> None:
    (deployment,) = [obj for obj in manifests(Values(), "hub") if obj["kind"] == "Deployment"]
    user = deployment["spec"]["template"]["spec"]["securityContext"]["runAsUser"]
    assert f"USER {user}:{user}" in LINES
    assert LINES[-1] == 'ENTRYPOINT ["echelon"]'


def test_whatever_is_copied_into_the_build_is_let_through() -> None:
    let_through = {
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    copied = {
        word for line in LINES if line.startswith("COPY ") and "--from" not in line for word in line.split()[1:-1]
    }
    assert copied == let_through
    assert all((ROOT / name).exists() for name in copied)


def test_the_last_stage_has_no_tools_for_building() -> None:
    last = LINES[max(index for index, line in enumerate(LINES) if line.startswith("FROM ")) :]
    assert not any("uv " in line or "pip " in line for line in last)
