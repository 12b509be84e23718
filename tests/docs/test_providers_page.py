"""The page about upgrade providers knows every platform, code, setting, method and fault."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import msgspec
import pytest

from echelon.api.meta import SystemClock
from echelon.kube.client import Client
from echelon.testing.fakeclouds import Faults
from echelon.upgrade.providers.builtin import BuiltIn
from echelon.upgrade.providers.contract import Code
from echelon.upgrade.providers.external.protocol import API_VERSION, Method
from echelon.upgrade.providers.management import KEYS
from echelon.upgrade.providers.settings import CommandSettings, ProviderSettings, WebhookSettings

from ..upgrade.providers.severed import SeverableTransport

PAGE = (Path(__file__).parents[2] / "docs" / "providers.md").read_text()


@pytest.mark.parametrize("code", Code)
def test_codes(code: Code) -> None:
    assert f"`{code}`" in PAGE


def settings_of(type_: type[msgspec.Struct], prefix: str = "") -> list[str]:
    """The settings as they are written, those of a platform with its name before."""
    found: list[str] = []
    for field in msgspec.structs.fields(type_):
        nested = isinstance(field.type, type) and issubclass(field.type, msgspec.Struct) and field.name != "polling"
        if nested and field.name != "retry":
            found += settings_of(field.type, f"{prefix}{field.encode_name}.")
        else:
            found.append(prefix + field.encode_name)
    return found


@pytest.mark.parametrize("setting", settings_of(ProviderSettings))
def test_settings(setting: str) -> None:
    name = {"commands": "commands.NAME", "webhooks": "webhooks.NAME"}.get(setting, setting)
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("type_", [CommandSettings, WebhookSettings])
def test_settings_of_programs_and_servers(type_: type[msgspec.Struct]) -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{type_.__name__[:7].lower()}s.NAME`")]
    assert all(f"{name}: " in row for name in settings_of(type_))


@pytest.mark.parametrize("method", get_args(Method))
def test_methods(method: str) -> None:
    assert f"| `{method}` |" in PAGE
    assert API_VERSION in PAGE


@pytest.mark.parametrize("fault", settings_of(Faults))
def test_faults(fault: str) -> None:
    assert f"`{fault}:" in PAGE


async def test_platforms() -> None:
    built_in = BuiltIn(Client(SeverableTransport(None)), ProviderSettings(), SystemClock())  # type: ignore[arg-type]
    rows = [line.split("|") for line in PAGE.splitlines() if line.startswith("| `")]
    ids = {cells[1].strip().strip("`"): cells[4].strip() for cells in rows if len(cells) == 6}
    for scheme, provider in built_in.providers.items():
        start = "/subscriptions/" if scheme == "aks" else f"{scheme}://"
        (watched,) = [how for id_, how in ids.items() if id_.startswith(start)]
        assert watched == ("watched" if provider.watches else "asked"), scheme
    await built_in.close()
    assert all(f"`{key}`" in PAGE for key in KEYS)
