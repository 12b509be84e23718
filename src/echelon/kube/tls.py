"""TLS towards an API server: whom to trust and who we are."""

from __future__ import annotations

import os
import ssl
import tempfile
from pathlib import Path

from echelon.kube.credentials import Identity
from echelon.kube.kubeconfig import Connection


def client_context(connection: Connection, identity: Identity) -> ssl.SSLContext:
    """What a connection is made with: the authorities it trusts and the certificate that it shows."""
    context = ssl.create_default_context(cadata=connection.authority.decode() if connection.authority else None)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # the authorities of many clusters do not pass it
    if connection.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if identity.certificate:
        with tempfile.TemporaryDirectory() as folder:  # the ssl module reads certificates from files only
            file = Path(folder) / "client.pem"
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as pem:
                pem.write(identity.certificate.rstrip() + b"\n" + identity.key)
            context.load_cert_chain(file)
    return context
