"""Operations that take longer than an answer may: where their end is asked for.

Nothing is kept of an operation. Its address says which resource it is about and what is to become of it, and
every question is answered from that resource as it is then; so it survives the server that began it.
"""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from collections.abc import Mapping
from typing import Any

from echelon.api.meta import format_time
from echelon.arm.call import Call, Reply

API_VERSION = "2016-03-30"
OPERATIONS = "operations"
RESULTS = "operationresults"
_POLL_SECONDS = "1"


def accepted(call: Call, id_: str, body: Mapping[str, Any]) -> Reply:
    """202: a resource is being removed."""
    headers = {"Location": address(call, RESULTS, id_), "Azure-AsyncOperation": address(call, OPERATIONS, id_)}
    return Reply(status=202, body=body, headers={**headers, "Retry-After": _POLL_SECONDS})


def address(call: Call, kind: str, id_: str) -> str:
    """Where the removal of a resource is asked about."""
    started = format_time(call.clock.now())
    state = base64.urlsafe_b64encode(json.dumps({"id": id_, "since": started}).encode()).decode().rstrip("=")
    guid = uuid.uuid5(uuid.NAMESPACE_URL, f"{id_.lower()}@{started}")
    subscription, location = call.fleet.subscription, call.record.location
    path = f"/subscriptions/{subscription}/providers/Microsoft.ContainerService/locations/{location}/{kind}/{guid}"
    return f"{call.base}{path}?api-version={API_VERSION}&s={state}"


def read_state(text: str | None) -> tuple[str, str] | None:
    """The resource that an operation is about, and since when; None for an address that was not given here."""
    try:
        state = json.loads(base64.urlsafe_b64decode((text or "") + "=" * (-len(text or "") % 4)))
        return str(state["id"]), str(state["since"])
    except (binascii.Error, ValueError, KeyError, TypeError):
        return None
