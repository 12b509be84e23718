"""Runs the kubectl binaries of this machine.

Versions are looked for beside the kubectl on PATH (``kubectl``, ``kubectl.1.33``, …); those below
1.30 are not supported and left out. One without a version in its name counts only where no other
is of its version: it may be a front that starts another.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

OLDEST = (1, 30)
PATIENCE = 30.0


def installed() -> dict[str, Path]:
    """The binaries by minor version (``1.33``), the oldest first."""
    found = shutil.which("kubectl")
    if found is None:
        return {}
    folder = Path(found).resolve().parent
    versions: dict[tuple[int, int], Path] = {}
    for path in sorted({*folder.glob("kubectl.1.*"), folder / "kubectl"}, reverse=True):
        command = [path, "version", "--client", "-o", "json"]
        output = subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE).stdout
        match = re.search(rb'"gitVersion": "v(\d+)\.(\d+)', output)
        if match is not None and (int(match[1]), int(match[2])) >= OLDEST:
            versions.setdefault((int(match[1]), int(match[2])), path)
    return {f"{major}.{minor}": versions[major, minor] for major, minor in sorted(versions)}


class Kubectl:
    """Runs one kubectl against one server, as the administrator unless told otherwise."""

    def __init__(self, binary: Path, folder: Path, port: int, token: str) -> None:
        self._binary = binary
        self.folder = folder
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "c", "cluster": {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}}
            ],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "default"}}],
            "current-context": "c",
        }
        (folder / "config").write_text(json.dumps(config))

    async def start(self, *arguments: str, settings: Mapping[str, str] | None = None) -> asyncio.subprocess.Process:
        """A kubectl under way; its standard error goes with its output."""
        own = {"KUBECONFIG": str(self.folder / "config"), "HOME": str(self.folder), "KUBE_EDITOR": "true"}
        return await asyncio.create_subprocess_exec(
            self._binary,
            *("--cache-dir", str(self.folder / "cache")),
            *arguments,
            cwd=self.folder,
            env=os.environ | own | dict(settings or {}),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )

    async def run(self, *arguments: str, settings: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Exit status and everything printed."""
        process = await self.start(*arguments, settings=settings)
        output, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert process.returncode is not None
        return process.returncode, output.decode()

    async def __call__(self, *arguments: str) -> str:
        """What is printed; an exit status other than 0 fails the test."""
        status, output = await self.run(*arguments)
        assert status == 0, f"{arguments}: {output}"
        assert "error calculating patch" not in output
        return output

    def file(self, name: str, *objects: Any) -> str:
        """Write a manifest; its name."""
        (self.folder / name).write_text(yaml.safe_dump_all(objects))
        return name


def server_context(folder: Path) -> ssl.SSLContext:
    """TLS with a certificate that nobody issued; kubectl sends tokens over TLS only."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = (
        builder.serial_number(1).not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
    )
    pem = serialization.Encoding.PEM
    (folder / "tls.crt").write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(pem))
    plain = serialization.NoEncryption()
    (folder / "tls.key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return context
