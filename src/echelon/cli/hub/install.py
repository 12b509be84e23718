"""``echelon hub install``: make a cluster a hub, or bring a hub to this version."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import click
import msgspec
import yaml

from echelon.cli.access import access_options, connected
from echelon.cli.errors import CannotStart, Failed
from echelon.cli.fleet.values import Seconds
from echelon.cli.fleet.waiting import TimedOut
from echelon.cli.hub import hub_namespace_option, namespace_words
from echelon.explain.access import Access
from echelon.hub.install import CannotInstall, Request, Step, wait_until_available
from echelon.hub.install import install as install_hub
from echelon.hub.manifests import manifests
from echelon.hub.settings import BadSettings
from echelon.hub.values import BadValues, Image, Values, read_values, values_of
from echelon.kube.client import Client
from echelon.kube.http import HttpTransport
from echelon.placement.dialect import DIALECTS


@click.command()
@hub_namespace_option
@click.option(
    "--values",
    "values_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Values as the Helm chart has them: image, replicas, settings, resources, environment, …",
)
@click.option("--image", metavar="REPOSITORY[:TAG]", help="Image of the hub; without a tag, that of this version.")
@click.option(
    "--replicas",
    type=click.IntRange(min=0),
    help="Replicas; one works, the others stand by. 0: the controllers are run elsewhere. Default 2.",
)
@click.option(
    "--dialect",
    type=click.Choice(list(DIALECTS)),
    help="Whose reading of the API to follow where sources differ.",
)
@click.option("--adopt", is_flag=True, help="Take over the kinds that another fleet manager has put there.")
@click.option("--wait/--no-wait", default=True, help="Whether to wait until all replicas are available. Default: wait.")
@click.option("--timeout", type=Seconds(), default="5m", show_default=True, help="How long to wait.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["yaml", "json"]),
    help="With --dry-run: print the objects, as helm template would; the cluster is not asked.",
)
@access_options
def install(
    namespace: str,
    values_file: Path | None,
    image: str | None,
    replicas: int | None,
    dialect: str | None,
    adopt: bool,
    wait: bool,
    timeout: float,
    dry_run: bool,
    output: Literal["yaml", "json"] | None,
    access: Access,
) -> None:
    """Make a cluster a hub, or bring a hub to this version.

    It needs Kubernetes 1.28 or newer, and an administrator's rights. What is there already stays as it is, the
    settings of the hub too unless --values or --dialect names others.
    """
    if output is not None and not dry_run:
        raise CannotStart("-o prints the objects of a --dry-run; without that there is nothing to print")
    try:
        values = _values(values_file, image, replicas, dialect)
    except BadValues as error:
        raise CannotStart(str(error)) from None
    if output is not None:
        click.echo(_text(manifests(values, namespace), output), nl=False)
        return
    request = Request(
        values=values,
        namespace=namespace,
        adopt=adopt,
        dry_run=dry_run,
        keep_settings=values_file is None and dialect is None,
    )
    try:
        asyncio.run(_install(access, request, timeout if wait and not dry_run else None))
    except (CannotInstall, BadSettings) as error:
        raise Failed(str(error)) from None
    if not dry_run:
        click.echo(f"How it is: {access.command('hub', 'status', *namespace_words(namespace))}")


def _values(file: Path | None, image: str | None, replicas: int | None, dialect: str | None) -> Values:
    values = values_of({}, "") if file is None else read_values(file)
    if image is not None:
        values = msgspec.structs.replace(values, image=_image(image, values.image))
    if replicas is not None:
        values = msgspec.structs.replace(values, replicas=replicas)
    if dialect is not None:
        values = msgspec.structs.replace(values, settings={**values.settings, "dialect": dialect})
    return values


def _image(text: str, default: Image) -> Image:
    repository, colon, tag = text.rpartition(":")
    if not colon or "/" in tag:  # a port is no tag
        repository, tag = text, ""
    return msgspec.structs.replace(default, repository=repository, tag=tag)


async def _install(access: Access, request: Request, timeout: float | None) -> None:
    def tell(step: Step) -> None:
        name = "/".join(part for part in (step.namespace, step.name) if part)
        click.echo(f"{step.kind.lower()} {name} {step.outcome}{' (dry run)' if request.dry_run else ''}")

    async with connected(access, HttpTransport) as client:
        await install_hub(client, request, tell)
        if timeout is not None:
            await _wait(client, request.namespace, timeout, access)


async def _wait(client: Client, namespace: str, timeout: float, access: Access) -> None:
    click.echo("Waiting until all replicas are available …")
    try:
        async with asyncio.timeout(timeout):
            await wait_until_available(client, namespace)
    except TimeoutError:
        look = access.command("hub", "status", *namespace_words(namespace))
        raise TimedOut(f"the replicas are not all available after {timeout:g} s; look at: {look}") from None


def _text(objects: Sequence[Mapping[str, Any]], output: Literal["yaml", "json"]) -> str:
    if output == "json":
        whole = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
    return yaml.dump_all(objects, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """YAML without anchors: shared parts are written out wherever they stand."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
