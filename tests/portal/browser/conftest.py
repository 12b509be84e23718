"""A hub as a user starts it, and Debian's Chromium with somebody signed in. Skipped, in a word, where there is none."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from ...processes import HubProcess

CHROMIUM = os.environ.get("ECHELON_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or ""
OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
FLEET_FILE = Path(__file__).parents[3] / "examples" / "update-run-fleet.yaml"
PATIENCE = 60_000  # milliseconds that a run may take on a busy machine

expect.set_options(timeout=15_000)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser of a module: while it is driven, this thread has a running event loop, which others could not."""
    if not CHROMIUM:
        pytest.skip("no chromium: apt-get install chromium, or name one in ECHELON_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS.split())
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def hub(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """The hub of the update run tutorial."""
    found = HubProcess(tmp_path_factory.mktemp("portal") / "data", "--fleet", str(FLEET_FILE))
    found.start()
    yield found
    found.close()


class Visitor:
    """Somebody at a page. ``complaints`` are what the browser found wrong: what it refused, and errors."""

    def __init__(self, context: BrowserContext, hub: HubProcess) -> None:
        self.base = f"https://127.0.0.1:{hub.port}"
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self._hear(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _hear(self, type_: str, text: str) -> None:
        if type_ in ("error", "warning") and "Failed to load resource" not in text:
            self.complaints.append(text)

    def sign_in(self, token: str) -> None:
        self.page.goto(f"{self.base}/signin")
        self.page.get_by_label("Token of the hub").fill(token)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("heading", name="Overview")).to_be_visible()

    def open(self, path: str) -> Page:
        self.page.goto(self.base + path)
        expect(self.page.locator("#live")).to_have_attribute("data-state", re.compile("live|static"))
        return self.page


@pytest.fixture(scope="module")
def context(chromium: Browser) -> Iterator[BrowserContext]:
    found = chromium.new_context(ignore_https_errors=True, viewport={"width": 1360, "height": 900})
    yield found
    found.close()


@pytest.fixture(scope="module")
def visitor(context: BrowserContext, hub: HubProcess) -> Visitor:
    """The administrator, by the link that the hub prints."""
    found = Visitor(context, hub)
    link = re.search(r"https://\S+/signin\?link=\S+", hub.output)
    assert link is not None, hub.output
    found.page.goto(link[0])
    expect(found.page.get_by_role("heading", name="Overview")).to_be_visible()
    return found


SCHEMES: Sequence[Literal["light", "dark"]] = ("light", "dark")


def readable_by_everybody(visitor: Visitor, path: str) -> None:
    """axe finds nothing serious, the browser nothing that it had to refuse, and nothing sticks out on a telephone."""
    page = visitor.open(path)
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text())
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert serious(page) == [], scheme
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.set_viewport_size({"width": 1360, "height": 900})
    assert visitor.complaints == []


def serious(page: Page) -> list[str]:
    """What axe finds wrong with a page, where it matters to somebody."""
    result: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{found['id']}: {found['help']}: {[node['target'] for node in found['nodes']][:3]}"
        for found in result["violations"]
        if found["impact"] in ("serious", "critical")
    ]
