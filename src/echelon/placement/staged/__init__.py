"""Staged update runs: one resource snapshot to the members of a placement, stage by stage.

A run goes through phases, a module each. ``initialization`` works out, once, which members are in
which stage and writes it into the run's status, where it stays. ``translation`` reads the status
and what was observed since (bindings, approvals) as a plan, a progress and facts of the rollout
engine. The engine decides. ``reporting`` turns the decision into the status that users read, and
``controller`` carries out what it asks for: bindings that get their snapshot, approvals that are
requested, bindings that are deleted.

The run's status is the only memory. A pass that is cut short at any point is made good by the next:
a binding that already has what a start would give it is left as it is.
"""
