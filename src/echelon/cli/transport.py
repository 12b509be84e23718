"""The transport of commands that ask once."""

from __future__ import annotations

from echelon.kube.http import HttpTransport
from echelon.kube.kubeconfig import Connection
from echelon.kube.transport import Transport


def brief_transport(connection: Connection) -> Transport:
    return HttpTransport(connection)
