"""Programs and servers of the user against the contract, and what is theirs alone."""

from __future__ import annotations

import hmac
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from echelon.upgrade.providers.contract import Code, Member, Operation, Provider, ProviderError
from echelon.upgrade.providers.external import Commands, ExternalProvider, Webhooks
from echelon.upgrade.providers.settings import CommandSettings, WebhookSettings

from . import scripted
from .contract import ProviderContract

MEMBER = Member(name="one", cluster_resource_id="exec://lab/rack-7")
AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
PROGRAM = (sys.executable, "-ISE", scripted.__file__)


class FixedClock:
    def now(self) -> datetime:
        return AT


class Script:
    """The platform: the state in a file."""

    target = Operation(control_plane_version="1.31.1", node_version="1.31.1")
    queues = True

    def __init__(self, file: Path) -> None:
        self.file = file
        self.write(scripted.START)

    def read(self) -> dict[str, Any]:
        return json.loads(self.file.read_text())

    def write(self, state: dict[str, Any]) -> None:
        self.file.write_text(json.dumps(state))

    def change(self, **fields: Any) -> None:
        self.write({**self.read(), **fields})

    async def started(self) -> int:
        return len(self.read()["operations"])

    async def carry_on(self) -> None:
        state = self.read()
        scripted.carry_on(state)
        self.write(state)

    async def fail(self) -> None:
        self.change(fail=True)
        await self.carry_on()

    async def hold_back(self) -> None:
        self.change(hold=True)

    async def cut_off(self) -> None:
        self.change(down=True)


@pytest.fixture
def platform(tmp_path: Path) -> Script:
    return Script(tmp_path / "state.json")


class TestCommand(ProviderContract):
    @pytest.fixture
    def provider(self, platform: Script) -> Provider:
        command = CommandSettings(command=(*PROGRAM, str(platform.file)))
        return ExternalProvider(Commands({"lab": command}))

    @pytest.fixture
    def cluster(self) -> Member:
        return MEMBER


class Server:
    """A server that checks signatures as the documentation tells."""

    def __init__(self, platform: Script, key: bytes) -> None:
        self._platform = platform
        self._key = key
        self.replies: list[web.Response] = []
        self.seen: list[dict[str, str]] = []

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.seen.append(dict(request.headers))
        stamp = request.headers["Echelon-Timestamp"]
        good = "v1=" + hmac.new(self._key, f"{stamp}.".encode() + body, "sha256").hexdigest()
        if not hmac.compare_digest(good, request.headers["Echelon-Signature"]):
            return web.Response(status=401, text="wrong signature")
        if self.replies:
            return self.replies.pop(0)
        state = self._platform.read()
        answered = scripted.respond(state, json.loads(body))
        self._platform.write(state)
        return web.json_response(answered, status=502 if "error" in answered else 200)


@pytest.fixture
async def server(platform: Script, tmp_path: Path) -> AsyncIterator[tuple[Server, WebhookSettings]]:
    (tmp_path / "key").write_bytes(b"a key of the lab\n")
    server = Server(platform, b"a key of the lab")
    app = web.Application()
    app.router.add_post("/upgrades", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    yield server, WebhookSettings(url=f"http://127.0.0.1:{port}/upgrades", secret_file=tmp_path / "key", timeout=5)
    await runner.cleanup()


@pytest.fixture
async def webhook(server: tuple[Server, WebhookSettings]) -> AsyncIterator[ExternalProvider]:
    channel = Webhooks({"lab": server[1]}, FixedClock())
    yield ExternalProvider(channel)
    await channel.close()


class TestWebhook(ProviderContract):
    @pytest.fixture
    def provider(self, webhook: ExternalProvider) -> Provider:
        return webhook

    @pytest.fixture
    def cluster(self) -> Member:
        return MEMBER


# -- programs -----------------------------------------------------------------------------------


def shell(script: str, timeout: float = 10.0, **environment: str) -> ExternalProvider:
    settings = CommandSettings(command=("/bin/sh", "-c", script), timeout=timeout, environment=environment)
    return ExternalProvider(Commands({"lab": settings}, {"PATH": "/usr/bin:/bin", "TOKEN": "hidden"}))


def answering(result: object) -> str:
    return f"cat >/dev/null; echo '{json.dumps({'apiVersion': scripted.VERSION, 'result': result})}'"


@pytest.mark.parametrize(
    ("script", "code", "retryable", "said"),
    [
        ("echo no room >&2; exit 75", Code.UNKNOWN, True, "command lab observe ended with exit code 75: no room"),
        ("exit 3", Code.UNKNOWN, False, "ended with exit code 3: and said nothing"),
        ("echo hello", Code.UNKNOWN, True, "exec://lab/rack-7 gave no answer of this protocol"),
        (
            'echo \'{"apiVersion": "providers.fleet.echelon.dev/v9"}\'',
            Code.UNSUPPORTED,
            True,
            "answers in version 'providers.fleet.echelon.dev/v9'; want providers.fleet.echelon.dev/v1",
        ),
        (answering({"controlPlaneVersion": "newest"}), Code.UNKNOWN, True, "'newest' is not a Kubernetes version"),
        (
            'echo \'{"apiVersion": "providers.fleet.echelon.dev/v1", "error": {"message": "full", "code": "Quota"}}\';'
            "exit 1",
            Code.QUOTA,
            False,
            "exec://lab/rack-7: full",
        ),
    ],
)
async def test_what_a_program_does_wrong_is_told(script: str, code: Code, retryable: bool, said: str) -> None:
    with pytest.raises(ProviderError) as caught:
        await shell(script).observe(MEMBER)
    assert (caught.value.code, caught.value.retryable) == (code, retryable)
    assert said in caught.value.message


async def test_a_program_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "alive")
    alive = os.open(tmp_path / "alive", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(ProviderError, match=r"took longer than 0\.2 s") as caught:
        await shell(f"(echo; sleep 100) >{tmp_path}/alive & wait", timeout=0.2).observe(MEMBER)
    assert caught.value.code is Code.TIMEOUT
    assert caught.value.retryable
    assert os.read(alive, 1) == b"\n"
    assert os.read(alive, 1) == b""  # nobody has it open any more, or this would block
    os.close(alive)


async def test_a_program_sees_little_of_the_environment() -> None:
    script = 'echo "$TOKEN,$EXTRA" >&2; exit 1'
    with pytest.raises(ProviderError, match=r"exit code 1: ,more$"):
        await shell(script, EXTRA="more").observe(MEMBER)


async def test_a_program_that_is_not_there() -> None:
    nowhere = ExternalProvider(Commands({"lab": CommandSettings(command=("/nowhere/upgrade",))}))
    with pytest.raises(ProviderError, match="/nowhere/upgrade cannot be run: No such file"):
        await nowhere.observe(MEMBER)
    with pytest.raises(ProviderError, match="no command 'lab' is configured for exec://lab/rack-7; there are: other"):
        await ExternalProvider(Commands({"other": CommandSettings(command=("x",))})).observe(MEMBER)


async def test_methods_that_a_program_need_not_know(platform: Script) -> None:
    provider = ExternalProvider(Commands({"lab": CommandSettings(command=(*PROGRAM, str(platform.file)))}))
    platform.change(mute=["versions", "preflight", "abort"])
    assert await provider.versions(MEMBER, "") is None
    assert await provider.node_images(MEMBER, "") is None
    assert await provider.preflight(MEMBER, Operation()) == []
    assert not await provider.abort(MEMBER, "x")


# -- servers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "code", "pause", "said"),
    [
        (lambda: web.Response(status=429, headers={"Retry-After": "17"}), Code.THROTTLED, 17.0, "status 429"),
        (lambda: web.Response(status=503, text="soon"), Code.UNKNOWN, None, "webhook lab observe: status 503: soon"),
        (
            lambda: web.json_response({"error": "no"}, status=429, headers={"Retry-After": "3"}),
            Code.THROTTLED,
            3.0,
            "429",
        ),
        (lambda: web.Response(status=302, headers={"Location": "http://evil"}), Code.UNKNOWN, None, "status 302"),
        (lambda: web.Response(body=b"x" * (1 << 20) + b"yy"), Code.UNKNOWN, None, "answered more than 1 MiB"),
    ],
)
async def test_what_a_server_does_wrong_is_told(
    webhook: ExternalProvider,
    server: tuple[Server, WebhookSettings],
    reply: Callable[[], web.Response],
    code: Code,
    pause: float | None,
    said: str,
) -> None:
    server[0].replies = [reply()]
    with pytest.raises(ProviderError) as caught:
        await webhook.observe(MEMBER)
    assert (caught.value.code, caught.value.retry_after) == (code, pause)
    assert said in caught.value.message


async def test_calls_are_signed_and_starts_have_their_key(
    webhook: ExternalProvider, server: tuple[Server, WebhookSettings]
) -> None:
    await webhook.start(MEMBER, Script.target, "uid-1")
    (headers,) = server[0].seen
    assert headers["Echelon-Timestamp"] == str(int(AT.timestamp()))
    assert headers["Idempotency-Key"] == "uid-1"
    server[1].secret_file.write_text("another key")  # taken up with the next call
    with pytest.raises(ProviderError, match="status 401: wrong signature") as caught:
        await webhook.observe(MEMBER)
    assert caught.value.code is Code.AUTH
    server[1].secret_file.write_text("")
    with pytest.raises(ProviderError, match="key is empty"):
        await webhook.observe(MEMBER)


async def test_a_server_is_reached_by_tls_or_on_this_machine_only(tmp_path: Path) -> None:
    settings = WebhookSettings(url="http://upgrades.example.com", secret_file=tmp_path / "key")
    provider = ExternalProvider(Webhooks({"lab": settings}, FixedClock()))
    with pytest.raises(ProviderError, match=r"is neither https://… nor http://127\.0\.0\.1"):
        await provider.observe(MEMBER)
