"""Where an object stands: how it is, what it waits for, since when, and what would unblock it.

Pure, from objects as they were read; for whoever shows them to people. Runs of both kinds become trees of ``items``
(``outline`` for staged runs, ``run_outline`` for update runs), from which ``waiting`` and ``run_waits`` say what a run
waits for. A module for each family of objects (``members``, ``placements``, ``rollouts``, ``upgrades``) makes an
``Explanation`` of one. Whatever waits says so itself in its status: an explanation follows the trail from there, and
ends with the command to type.
"""
