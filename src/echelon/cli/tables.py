"""Tables as the server prints them for kubectl: the columns that a kind has, and its cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from rich.table import Table

from echelon.api.meta import ObjectMeta, Resource
from echelon.kube.client import Client

_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


class _Column(msgspec.Struct):
    name: str
    priority: int = 0


class _Partial(msgspec.Struct):
    metadata: ObjectMeta


class _Row(msgspec.Struct):
    cells: list[Any]  # texts, numbers and nothing at all
    object: _Partial


class _ServerTable(msgspec.Struct, rename="camel"):
    column_definitions: list[_Column]
    rows: list[_Row]


async def server_table(
    client: Client, resource: Resource, columns: Sequence[str] = (), labels: Sequence[str] = ()
) -> Table:
    """All objects of a cluster-scoped kind as kubectl shows them.

    Args:
        client: of the server.
        resource: the kind.
        columns: the headings to show; all that kubectl shows when there are none.
        labels: to show in columns of their own, as ``kubectl get -L``.
    """
    answer = msgspec.json.decode(await client.get_raw(resource.path(), accept=_TABLE), type=_ServerTable)
    headings = [column.name.upper() for column in answer.column_definitions]
    wanted = columns or [column.name.upper() for column in answer.column_definitions if not column.priority]
    places = [headings.index(heading) for heading in wanted]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in (*wanted, *(label.upper() for label in labels)):
        table.add_column(heading, no_wrap=True)
    for row in answer.rows:
        cells = ["" if row.cells[place] is None else str(row.cells[place]) for place in places]
        table.add_row(*cells, *(row.object.metadata.labels.get(label, "") for label in labels))
    return table
