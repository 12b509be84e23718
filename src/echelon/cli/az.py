"""How ``az`` is pointed at a hub on this machine: what ``echelon up`` says to type.

az keeps clouds and accounts in a folder; here that is one of the hub's data, so that whoever uses Azure too finds
everything as it was, in every other terminal. The administrator's secret is read from the hub's file and stands in
no command. Without instance discovery az asks nobody on the internet whether the hub may sign people in.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from echelon.arm.surroundings import TENANT
from echelon.local.cluster import ADMINISTRATOR

CLOUD = "echelon"


def az_lines(address: str, data: Path) -> list[str]:
    """What to type: ``address`` is that of the hub's port, ``data`` its folder."""
    variables = {
        "AZURE_CONFIG_DIR": str(data / "azure"),
        "REQUESTS_CA_BUNDLE": str(data / "pki" / "ca.crt"),
        "AZURE_CORE_INSTANCE_DISCOVERY": "false",
    }
    secret = shlex.quote(f"@{data / 'admin-token'}")
    return [
        "export " + " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items()),
        f"az cloud register -n {CLOUD} --endpoint-resource-manager {address}",
        f"az cloud set -n {CLOUD}",
        f"az login --service-principal -u {ADMINISTRATOR} -p {secret} --tenant {TENANT}",
    ]
