"""The controller in the package's documentation works as it stands there."""

from __future__ import annotations

import ast
import asyncio
import textwrap
from collections.abc import Awaitable
from pathlib import Path
from types import FunctionType
from typing import Any, ClassVar

import msgspec
import pytest

import echelon.kube
from echelon.api.meta import KubeObject, Resource
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.controller import Controller, For, Owns, Request, Result, Watches, generation_changed
from echelon.kube.manager import Manager
from echelon.kube.testing import FakeServer, Widget, WidgetStatus

pytestmark = pytest.mark.looptime


class Gadget(KubeObject, frozen=True, kw_only=True):
    resource: ClassVar[Resource] = Resource("test.echelon.dev", "v1", "gadgets", "Gadget", True)


class Cluster(KubeObject, frozen=True, kw_only=True):
    resource: ClassVar[Resource] = Resource("test.echelon.dev", "v1", "clusters", "Cluster", True)


def example() -> str:
    """The indented lines of the docstring, from the class to the running manager."""
    text = echelon.kube.__doc__ or ""
    begin = text.index("    class WidgetReconciler")
    return textwrap.dedent(text[begin : text.index("What holds for controllers")])


async def test_example(client: Client, server: FakeServer) -> None:
    names: dict[str, Any] = {
        "Client": Client,
        "Cluster": Cluster,
        "Controller": Controller,
        "For": For,
        "Gadget": Gadget,
        "Manager": Manager,
        "Owns": Owns,
        "Request": Request,
        "Result": Result,
        "SharedCache": SharedCache,
        "Watches": Watches,
        "Widget": Widget,
        "WidgetStatus": WidgetStatus,
        "client": client,
        "generation_changed": generation_changed,
        "replace": msgspec.structs.replace,
    }
    path = "/apis/test.echelon.dev/v1/namespaces/one/widgets/a"
    server.put(path, {"spec": {"size": 3}})
    code = compile(example(), "example", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    running: Awaitable[None] = FunctionType(code, names)()
    task = asyncio.ensure_future(running)
    await asyncio.sleep(1)
    widget = server.get(path)
    assert widget is not None
    assert widget["status"] == {"ready": True, "size": 3}
    names["manager"].stop()
    await task


def test_modules_that_the_documentation_names_exist() -> None:
    modules = {path.stem for path in Path(echelon.kube.__file__).parent.glob("*.py")}
    text = echelon.kube.__doc__ or ""
    named = {word.strip("`") for word in text.split("Import from the modules")[0].split() if word.startswith("``")}
    assert {name.rstrip("`,;.():") for name in named} <= modules
