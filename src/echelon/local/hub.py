"""``echelon up``: an embedded fleet on a TLS port, with its data in a folder.

The folder holds the database, the certificates and the administrator's token; a kubeconfig with a
context for each cluster is written into it, or where the user wants it. Whatever keeps the hub from
starting is a ``CannotServe`` with one line for the user.
"""

from __future__ import annotations

import errno
import os
import ssl
from collections.abc import Sequence
from pathlib import Path

import msgspec

from echelon.api.meta import Clock, SystemClock
from echelon.api.upgrade import ReleaseCatalogSpec
from echelon.apiserver import AuditLog, Database, RunningServer, serve, summarize
from echelon.apiserver.access.signing import BadKey
from echelon.apiserver.metadata import Summary
from echelon.apiserver.storage import InUse, NewerFormat, StorageError
from echelon.hub.settings import HubSettings
from echelon.kube import kubeconfig
from echelon.local.azure import EmbeddedDirectory, face_of
from echelon.local.fleet import EmbeddedFleet, FleetOptions
from echelon.local.fleets import EmbeddedFleets
from echelon.local.members import DEFAULT_MEMBERS, MemberSpec
from echelon.local.naming import HUB
from echelon.local.pki import Certificates, ensure_certificates
from echelon.local.portal import embedded_portal
from echelon.local.tokens import context_token, kept_token

HOST = "127.0.0.1"
_NAMES = (HOST, "::1", "localhost")


class CannotServe(Exception):
    """The hub cannot be started as asked; the message is one line for the user."""


class HubOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What ``echelon up`` was asked for.

    Without ``members``, those in the data; the tutorial's three until the data has seen a whole start.
    ``releases`` is what there is to upgrade to; without it, that stays as it is. ``settings`` are those of any
    hub; who leads is no question here.
    """

    data: Path
    members: Sequence[MemberSpec] = ()
    releases: ReleaseCatalogSpec | None = None
    port: int = 0
    kubeconfig: Path | None = None
    settings: HubSettings = HubSettings()

    def fleet(self, token: str, certificates: Certificates, audit: AuditLog) -> FleetOptions:
        """The options of the fleet."""
        settings = self.settings.controllers()
        defaults = FleetOptions(admin_token=token)
        return msgspec.structs.replace(
            defaults,
            keys=certificates.authority.parent,
            client_authority=certificates.authority.read_bytes(),
            audit=audit,
            placement=settings.placement,
            upgrade=msgspec.structs.replace(
                defaults.upgrade, max_stage_concurrency=settings.upgrade.max_stage_concurrency
            ),
            providers=settings.providers,
        )


class EmbeddedHub:
    """A running embedded hub. Use ``EmbeddedHub.start``."""

    def __init__(
        self,
        options: HubOptions,
        database: Database[Summary],
        fleets: EmbeddedFleets,
        certificates: Certificates,
        token: str,
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self.fleets = fleets
        self.kubeconfig = options.kubeconfig or options.data / "kubeconfig"
        self._database = database
        self._certificates = certificates
        self._token = token
        self._audit = audit
        self._server: RunningServer | None = None
        hint = f"The administrator's is in {options.data / 'admin-token'}; kubectl create token ACCOUNT makes others."
        self._portal = embedded_portal(fleets, clock, token_hint=hint)
        fleets.mounts.put_behind(self._portal)

    @classmethod
    async def start(cls, options: HubOptions, *, clock: Clock | None = None) -> EmbeddedHub:
        """Start a hub; returns once its members have joined.

        Raises:
            CannotServe: the folder, the data or the port cannot be used.
        """
        certificates, token = _prepare(options.data, clock or SystemClock())
        audit = _open_audit(options.data / "audit.log")
        try:
            database = _open(options.data / "echelon.db")
        except CannotServe:
            audit.close()
            raise
        fleets = EmbeddedFleets(database, options.fleet(token, certificates, audit), clock=clock)
        hub = cls(options, database, fleets, certificates, token, audit, clock or SystemClock())
        try:
            directory = EmbeddedDirectory(fleets, hub.url, certificates.authority.read_bytes())
            fleets.mounts.put_before(face_of(directory, clock or SystemClock()))
            await hub._listen(options.port)
            started_before = options.data / "started"
            members = options.members or ([] if started_before.exists() else DEFAULT_MEMBERS)
            await fleets.start(members, options.releases)
            started_before.touch()
            hub.write_kubeconfig()
            fleets.on_cluster = hub.write_kubeconfig
        except BadKey as error:
            await hub.close()
            raise CannotServe(str(error)) from error
        except BaseException:
            await hub.close()
            raise
        return hub

    @property
    def fleet(self) -> EmbeddedFleet:
        """The fleet of the hub itself."""
        return self.fleets.own

    @property
    def port(self) -> int:
        assert self._server is not None
        return self._server.port

    @property
    def address(self) -> str:
        """Where all of it is served."""
        return f"https://{HOST}:{self.port}"

    def url(self, cluster: str = HUB) -> str:
        """Where a cluster is served, by the name that it is served as."""
        return f"{self.address}/clusters/{cluster}"

    def portal_link(self) -> str:
        """Where the portal is, by a link that signs the administrator in, once."""
        return f"https://{HOST}:{self.port}{self._portal.link(self._token)}"

    async def wait(self) -> None:
        """Wait until a part of the hub fails; raises what it failed with."""
        await self.fleets.wait()

    async def close(self) -> None:
        """Finish what is under way, end connections, and close the data."""
        await self.fleets.stop()
        await self._portal.close()  # before the streams end that its caches read
        if self._server is not None:
            await self._server.stop()
        await self.fleets.close()
        await self._database.close()
        self._audit.close()

    def write_kubeconfig(self) -> None:
        """Write a context for each cluster, the hub's as the current one.

        Raises:
            CannotServe: the file cannot be written.
        """
        authority = self._certificates.authority.read_bytes()
        clusters = [HUB, *sorted(name for name in self.fleets.served() if name != HUB)]
        entries = [
            kubeconfig.Entry(name, self.url(name), authority, token=context_token(name, self._token))
            for name in clusters
        ]
        try:
            kubeconfig.write(self.kubeconfig, entries, current=HUB)
        except OSError as error:
            raise CannotServe(f"cannot write the kubeconfig {self.kubeconfig}: {error.strerror}") from error

    def _end_streams(self) -> None:
        self._portal.end_streams()
        self.fleets.end_streams()

    async def _listen(self, port: int) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._certificates.server, self._certificates.server_key)
        context.load_verify_locations(self._certificates.authority)
        context.verify_mode = ssl.CERT_OPTIONAL  # who shows no certificate shows a token
        try:
            self._server = await serve(
                self.fleets.mounts, host=HOST, port=port, tls=context, before_stop=self._end_streams
            )
        except OSError as error:
            why = "it is in use" if error.errno == errno.EADDRINUSE else error.strerror
            raise CannotServe(f"cannot listen on {HOST}:{port}: {why}; choose another with --port") from error


def _prepare(data: Path, clock: Clock) -> tuple[Certificates, str]:
    """The folder with certificates and the administrator's token."""
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        certificates = ensure_certificates(data / "pki", _NAMES, clock.now())
        token = kept_token(data / "admin-token")
    except OSError as error:
        raise CannotServe(f"cannot use the data folder {data}: {error.strerror or error}") from error
    if not os.access(data, os.W_OK):
        raise CannotServe(f"cannot use the data folder {data}: it cannot be written to")
    return certificates, token


def _open_audit(path: Path) -> AuditLog:
    try:
        return AuditLog(path)
    except OSError as error:
        raise CannotServe(f"cannot write the audit log {path}: {error.strerror}") from error


def _open(path: Path) -> Database[Summary]:
    try:
        return Database.open(path, summarize=summarize)
    except InUse as error:
        raise CannotServe(
            f"the data in {path.parent} is in use by another hub; stop it, or choose another --data"
        ) from error
    except NewerFormat as error:
        raise CannotServe(str(error)) from error
    except StorageError as error:
        raise CannotServe(f"cannot open the data in {path.parent}: {error}") from error
