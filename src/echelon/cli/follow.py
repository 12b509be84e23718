"""Following a staged run: it and its placement's bindings are watched, and every scene is made from the newest."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console

from echelon.api import names
from echelon.cli.display import Scene, display_on
from echelon.cli.view import View
from echelon.explain.kinds import Binding, Run, kinds_of
from echelon.explain.outline import outline, what_is_rolled_out
from echelon.explain.waiting import waits
from echelon.kube.client import Client
from echelon.kube.informer import Informer


class Gone(Exception):
    """The run was deleted while it was followed."""


async def follow(client: Client, run: Run, console: Console, *, on_change: Callable[[Run], None] | None = None) -> Run:
    """Show a run until it is over; gives it as it was last.

    Args:
        client: of the hub.
        run: as it was read or created.
        console: where to show it; lines instead of a tree when it is no terminal.
        on_change: called with the run whenever it has changed.

    Raises:
        Gone: it was deleted meanwhile.
    """
    namespace = run.metadata.namespace
    kinds, view = kinds_of(namespace), View(client)
    runs: Informer[Run] = view.informer(
        kinds.run, namespace=namespace or None, fields=f"metadata.name={run.metadata.name}"
    )
    bindings: Informer[Binding] = view.informer(
        kinds.binding, namespace=namespace or None, labels={names.PARENT_PLACEMENT: run.spec.placement_name}
    )
    async with view.watched():
        with display_on(console) as display:
            while True:
                current = runs.get(run.key)
                if current is None:
                    raise Gone
                item = outline(current, bindings.list())
                display.show(Scene(item, what_is_rolled_out(current), waits(current, item)))
                if on_change is not None:
                    on_change(current)
                if item.is_over:
                    return current
                await view.changed()
