"""Clusters of Kubernetes itself: an etcd, and a kube-apiserver for each cluster, from ``KUBEBUILDER_ASSETS``.

As with envtest, that is all there is of Kubernetes: no controllers, no scheduler, no nodes. The clusters share
the etcd, each under a prefix of its own.
"""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from echelon.kube import kubeconfig
from echelon.local.pki import ensure_certificates

PROGRAMS = ("etcd", "kube-apiserver")
PATIENCE = 120.0  # seconds until servers answer, on a busy machine
PORTS = range(20_000, 30_000)
_PAUSE = 0.2  # seconds between two looks whether a server answers: it tells nobody


def assets() -> Path | None:
    """The folder of the programs, if the environment names one that has them."""
    folder = Path(os.environ.get("KUBEBUILDER_ASSETS") or "/usr/local/kubebuilder/bin")
    return folder if all(os.access(folder / program, os.X_OK) for program in PROGRAMS) else None


@contextlib.contextmanager
def kubernetes(programs: Path, folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """Clusters of these names while the context lasts; the kubeconfig with a context for each."""
    tls = ensure_certificates(folder / "tls", ["localhost", "127.0.0.1"], datetime.now(UTC))
    key = folder / "service-accounts.key"
    _write_secret(key, _service_account_key())
    entries = []
    with contextlib.ExitStack() as running:
        store, peers = (f"http://127.0.0.1:{port}" for port in _free_ports(2))
        addresses = ["--listen-client-urls", store, "--advertise-client-urls", store, "--listen-peer-urls", peers]
        etcd = [programs / "etcd", "--data-dir", folder / "etcd", *addresses, "--unsafe-no-fsync"]
        running.enter_context(_process(etcd, folder / "etcd.log"))
        for name, port in zip(names, _free_ports(len(names)), strict=True):
            token = secrets.token_urlsafe()
            _write_secret(folder / f"{name}.tokens", f"{token},admin,admin,system:masters\n".encode())
            command: list[str | Path] = [programs / "kube-apiserver", "--etcd-servers", store]
            command += ["--etcd-prefix", f"/{name}", "--bind-address", "127.0.0.1", "--secure-port", str(port)]
            command += ["--tls-cert-file", tls.server, "--tls-private-key-file", tls.server_key]
            command += ["--token-auth-file", folder / f"{name}.tokens", "--authorization-mode", "RBAC"]
            command += ["--service-account-issuer", "https://kubernetes.default.svc"]
            command += ["--service-account-key-file", key, "--service-account-signing-key-file", key]
            command += ["--service-cluster-ip-range", "10.0.0.0/24", "--cert-dir", folder / f"{name}.tls"]
            command += ["--disable-admission-plugins", "ServiceAccount"]  # its accounts come from a controller
            running.enter_context(_process(command, folder / f"{name}.log"))
            address = f"https://127.0.0.1:{port}"
            entries.append(kubeconfig.Entry(name, address, tls.authority.read_bytes(), token=token))
        for entry in entries:
            _wait_until_ready(entry, folder / f"{entry.name}.log")
        path = folder / "kubeconfig"
        kubeconfig.write(path, entries, current=names[0])
        yield path


@contextlib.contextmanager
def _process(command: Sequence[str | Path], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            yield
        finally:
            process.kill()
            process.wait()


def _wait_until_ready(entry: kubeconfig.Entry, log: Path) -> None:
    assert entry.authority is not None
    context = ssl.create_default_context(cadata=entry.authority.decode())
    request = urllib.request.Request(f"{entry.server}/readyz", headers={"Authorization": f"Bearer {entry.token}"})
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(request, context=context, timeout=5):
                return
        except OSError as error:
            if time.monotonic() > deadline:
                raise AssertionError(f"{entry.name} is not ready: {error}; {log.read_text()[-2000:]}") from error
        time.sleep(_PAUSE)


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, and that the system gives to nobody who asks for any port."""
    found: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        if len(found) == count:
            break
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(port)
    return found


def _service_account_key() -> bytes:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_secret(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
