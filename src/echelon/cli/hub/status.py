"""``echelon hub status``: what is on a hub, what is wrong with it, and what to do."""

from __future__ import annotations

import asyncio
from collections import Counter

import click
import msgspec

from echelon.api.meta import SystemClock
from echelon.cli.access import access_options, connected
from echelon.cli.errors import FAILED
from echelon.cli.hub import hub_namespace_option, namespace_words
from echelon.cli.output import Output, output_options
from echelon.explain.access import Access
from echelon.hub.report import Problem, Report, report
from echelon.kube.http import HttpTransport


@click.command()
@hub_namespace_option
@output_options
@access_options
@click.pass_context
def status(context: click.Context, namespace: str, output: Output, access: Access) -> None:
    """Say what is on a hub, what is wrong with it, and what to do about that.

    Exit code 0 when nothing is wrong, 1 when something is.
    """
    found = asyncio.run(_report(access, namespace))
    output.show(msgspec.to_builtins(found), lambda: click.echo("\n".join(_lines(found, access))))
    context.exit(FAILED if found.problems else 0)


async def _report(access: Access, namespace: str) -> Report:
    async with connected(access, HttpTransport) as client:
        return await report(client, namespace, SystemClock().now())


def _lines(found: Report, access: Access) -> list[str]:
    kinds = found.kinds
    total = kinds.current + len(kinds.missing) + len(kinds.outdated) + len(kinds.foreign)
    lines = [f"cluster   Kubernetes {found.kubernetes}", f"kinds     {kinds.current} of {total} as in {found.version}"]
    if found.embedded:
        lines.append("replicas  one, embedded: echelon up")
    elif found.replicas is None:
        lines.append(f"replicas  no Deployment in {found.namespace}")
    else:
        replicas = found.replicas
        lines.append(f"replicas  {replicas.available} of {replicas.wanted} available, {replicas.image}")
    if found.leader is not None:
        lines.append(f"leader    {found.leader.name}, last renewed at {found.leader.renewed}")
    if found.settings:
        lines.append(f"settings  {'; '.join(found.settings.splitlines())}")
    if found.members:
        states = Counter(found.members.values())
        lines.append("members   " + ", ".join(f"{count} {state}" for state, count in sorted(states.items())))
    if not found.problems:
        return [*lines, "", "Nothing is wrong."]
    return [*lines, "", *(line for problem in found.problems for line in _problem(problem, found.namespace, access))]


def _problem(problem: Problem, namespace: str, access: Access) -> list[str]:
    lines = [f"! {problem.what}"]
    if problem.command:
        of_hub = namespace_words(namespace) if problem.command[0] == "hub" else ()
        lines.append(f"  {access.command(*problem.command, *of_hub)}")
    if problem.advice:
        lines.append(f"  {problem.advice}")
    return lines
