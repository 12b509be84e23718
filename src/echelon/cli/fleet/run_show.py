"""``echelon updaterun show``: where a run stands, what it waits for, and what would unblock it."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from echelon.api.fleet import UpdateRun
from echelon.api.meta import from_dict
from echelon.cli.fleet.nouns import RUN, Plain, upgrade_words
from echelon.cli.fleet.scope import Scope
from echelon.cli.fleet.verbs import show_command
from echelon.cli.runs import local_now
from echelon.cli.tree import explanation, failures, tree
from echelon.explain.run_outline import run_outline
from echelon.explain.run_waits import next_command, run_waits
from echelon.explain.waiting import Wait


def _people(scope: Scope, found: Plain) -> RenderableType:
    run = from_dict(UpdateRun, found)
    item, now = run_outline(run), local_now()
    parts: list[RenderableType] = [tree(item, now, title=upgrade_words(found["spec"]["managedClusterUpdate"]))]
    if item.is_over:
        parts.append(failures(item))
    for wait in run_waits(run, item, scope.access):
        parts += [explanation([wait], now), *_command(wait)]
    if command := next_command(run, item, scope.access):
        parts.append(Text("To try what failed once more:  ", style="dim").append(command, style="cyan"))
    return Group(*parts)


def _command(wait: Wait) -> list[Text]:
    return [Text(f"  {wait.command}", style="cyan")] if wait.command else []


show = show_command(RUN, _people)
