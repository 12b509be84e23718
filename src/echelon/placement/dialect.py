"""Where sources of the staged rollout API differ, one table that chooses.

``azure-docs`` is what the documentation of Azure Kubernetes Fleet Manager shows and the tutorials
check; ``kubefleet`` is what the KubeFleet controllers of today do. The setting is the hub's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

DialectName = Literal["azure-docs", "kubefleet"]


class Dialect(msgspec.Struct, frozen=True):
    """One way to read what the sources leave open.

    ``default_state`` is that of a run that names none. ``approval_after`` and ``approval_before``
    are the names of approval requests, with ``{run}`` and ``{stage}`` in them; ``approval_created``
    and ``approval_given`` are the reason and message of a task's conditions, with ``{kind}``. With
    ``snapshots_on_change`` a placement under the External strategy gets a resource snapshot
    whenever what it selects changes, else only when a run asks for one. With
    ``membership_aborts`` a run fails when members join, leave or change stage under it.
    """

    name: DialectName
    default_state: Literal["Initialize", "Run"]
    approval_after: str
    approval_before: str
    approval_created: tuple[str, str]
    approval_given: tuple[str, str]
    snapshots_on_change: bool
    membership_aborts: bool

    def approval_name(self, run: str, stage: str, *, before: bool) -> str:
        """The name of the approval request before or after a stage."""
        return (self.approval_before if before else self.approval_after).format(run=run, stage=stage)


DIALECTS: Mapping[DialectName, Dialect] = {
    "azure-docs": Dialect(
        name="azure-docs",
        default_state="Run",
        approval_after="{run}-{stage}",
        approval_before="{run}-before-{stage}",
        approval_created=("AfterStageTaskApprovalRequestCreated", "{kind} is created"),
        approval_given=("AfterStageTaskApprovalRequestApproved", "{kind} is approved"),
        snapshots_on_change=True,
        membership_aborts=False,
    ),
    "kubefleet": Dialect(
        name="kubefleet",
        default_state="Initialize",
        approval_after="{run}-after-{stage}",
        approval_before="{run}-before-{stage}",
        approval_created=("StageTaskApprovalRequestCreated", "ApprovalRequest object is created"),
        approval_given=("StageTaskApprovalRequestApproved", "ApprovalRequest object is approved"),
        snapshots_on_change=False,
        membership_aborts=True,
    ),
}
