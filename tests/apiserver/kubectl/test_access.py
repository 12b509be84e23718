"""Tokens of service accounts and questions about rights, as kubectl asks them."""

from __future__ import annotations

import json
import re

from .runner import Kubectl


async def test_a_token_of_a_service_account(kubectl: Kubectl) -> None:
    await kubectl("create", "serviceaccount", "robot")
    token = (await kubectl("create", "token", "robot", "--duration=20m")).strip()
    review = json.loads(await kubectl("auth", "whoami", "-o", "json", f"--token={token}"))
    assert review["status"]["userInfo"]["username"] == "system:serviceaccount:default:robot"
    status, error = await kubectl.run("get", "pods", f"--token={token}")
    assert status == 1
    assert 'pods is forbidden: User "system:serviceaccount:default:robot" cannot list resource "pods"' in error
    await kubectl("create", "rolebinding", "robot", "--clusterrole=view", "--serviceaccount=default:robot")
    await kubectl("get", "pods", f"--token={token}")
    await kubectl("delete", "serviceaccount", "robot")
    status, error = await kubectl.run("get", "pods", f"--token={token}")
    assert status == 1
    assert "Unauthorized" in error or "logged in" in error
    status, error = await kubectl.run("create", "token", "robot")
    assert (status, error) == (1, 'error: failed to create token: serviceaccounts "robot" not found\n')


async def test_bound_tokens(kubectl: Kubectl) -> None:
    await kubectl("create", "serviceaccount", "robot")
    await kubectl("create", "secret", "generic", "held")
    bound = ("--bound-object-kind=Secret", "--bound-object-name=held", "--audience=vault")
    assert (await kubectl("create", "token", "robot", *bound)).count(".") == 2
    status, error = await kubectl.run("create", "token", "robot", "--duration=5m")
    assert status == 1
    assert "may not specify a duration less than 10 minutes" in error


async def test_can_i(kubectl: Kubectl) -> None:
    assert (await kubectl("auth", "can-i", "create", "nodes")).endswith("yes\n")
    as_eve = ("--as=eve", "--namespace=default")
    assert await kubectl.run("auth", "can-i", "list", "pods", *as_eve) == (1, "no\n")
    await kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods,pods/log")
    await kubectl("create", "rolebinding", "eve", "--role=reader", "--user=eve")
    assert await kubectl("auth", "can-i", "list", "pods", *as_eve) == "yes\n"
    assert await kubectl("auth", "can-i", "get", "pods", "--subresource=log", *as_eve) == "yes\n"
    assert await kubectl("auth", "can-i", "get", "/version", *as_eve) == "yes\n"
    assert await kubectl.run("auth", "can-i", "delete", "pods/x", *as_eve) == (1, "no\n")
    listed = await kubectl("auth", "can-i", "--list", *as_eve)
    assert re.search(r"^pods/log +\[\] +\[\] +\[get list\]$", listed, re.M)
    assert re.search(r"^selfsubjectreviews.authentication.k8s.io +\[\] +\[\] +\[create\]$", listed, re.M)
