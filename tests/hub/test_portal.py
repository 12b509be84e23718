"""The portal of a hub that is somewhere else: over sockets, with the tokens of those who sign in."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from echelon.api.meta import SystemClock
from echelon.hub.portal import by_token, portal_of
from echelon.hub.serving import certificate, serving
from echelon.kube.kubeconfig import load
from echelon.kube.probes import CannotListen

from ..processes import HubProcess


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    found = HubProcess(tmp_path_factory.mktemp("hub") / "data")
    found.start()
    yield found
    found.close()


async def test_it_is_served_over_https_with_the_token_of_whoever_signs_in(hub: HubProcess) -> None:
    portal = portal_of(by_token(load(hub.kubeconfig)), SystemClock(), fleet="far away", token_hint="Ask.")
    tls = certificate(str(hub.data / "pki" / "server.crt"), str(hub.data / "pki" / "server.key"))
    trust = ssl.create_default_context(cafile=str(hub.data / "pki" / "ca.crt"))
    token = (hub.data / "admin-token").read_text().strip()
    async with serving(portal, host="127.0.0.1", port=0, tls=tls, before_stop=portal.end_streams) as port:
        base = f"https://127.0.0.1:{port}"
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
            async with browser.post(f"{base}/signin", data={"token": "wrong"}, ssl=trust) as answer:
                assert answer.status == 401
            async with browser.post(f"{base}/signin", data={"token": token}, ssl=trust) as answer:
                page = await answer.text()
            assert "member1" in page
            assert "far away" in page
            stream = re.search(r'hx-sse:connect="([^"]+)"', page)
            assert stream is not None
            async with browser.get(base + stream[1].replace("&amp;", "&"), ssl=trust) as events:
                assert (await events.content.readline()).startswith(b":")
                stopping = asyncio.get_running_loop().time()
                portal.end_streams()
                assert await events.content.read() is not None
    assert asyncio.get_running_loop().time() - stopping < 3
    await portal.close()


async def test_an_address_that_is_taken_is_said(hub: HubProcess) -> None:
    with pytest.raises(CannotListen, match=f"cannot listen on 127.0.0.1:{hub.port}"):
        async with serving(None, host="127.0.0.1", port=hub.port):
            raise AssertionError("it listens")


def test_a_certificate_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no certificate")
    with pytest.raises(ssl.SSLError):
        certificate(str(tmp_path / "file"), str(tmp_path / "file"))
