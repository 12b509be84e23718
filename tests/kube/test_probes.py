"""Probes and metrics over HTTP."""

from __future__ import annotations

import aiohttp
import pytest

from echelon.kube.probes import CannotListen, probes


async def get(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


async def test_probes() -> None:
    why = ["the caches have not synced yet"]
    async with probes(lambda: why[0], host="127.0.0.1", port=0) as port:
        assert await get(port, "/healthz") == (200, "ok\n")
        assert await get(port, "/readyz") == (503, "the caches have not synced yet\n")
        why[0] = ""
        assert await get(port, "/readyz") == (200, "ok\n")
        status, text = await get(port, "/metrics")
        assert status == 200
        assert "echelon_kube_leader" in text
        assert (await get(port, "/"))[0] == 404


async def test_a_port_in_use_is_named() -> None:
    async with probes(str, host="127.0.0.1", port=0) as port:
        with pytest.raises(CannotListen, match=f"cannot listen on 127.0.0.1:{port} for probes: "):
            async with probes(str, host="127.0.0.1", port=port):
                pass
