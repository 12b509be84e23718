"""A hub and three members with nothing of Echelon in them: bare API servers of ours, and Kubernetes' own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .kubernetes import assets, kubernetes

HUB = "hub"
MEMBERS = ("member1", "member2", "member3")
BARE = Path(__file__).parent / "bare.py"


@pytest.fixture(params=["bare", "kubernetes"])
def clusters(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """The kubeconfig of clusters that hold nothing yet: the contexts hub, member1, member2 and member3.

    A module that wants others names them in ``CLUSTERS``.
    """
    names = getattr(request.module, "CLUSTERS", (HUB, *MEMBERS))
    if request.param == "kubernetes":
        programs = assets()
        if programs is None:
            pytest.skip("KUBEBUILDER_ASSETS names no folder with etcd and kube-apiserver")
        with kubernetes(programs, tmp_path, names) as kubeconfig:
            yield kubeconfig
        return
    with subprocess.Popen([sys.executable, BARE, tmp_path, *names], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield tmp_path / "kubeconfig"
        finally:
            process.terminate()
            process.wait()
