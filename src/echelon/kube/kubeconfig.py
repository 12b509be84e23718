"""Where API servers are and how to get in: kubeconfig files and the in-cluster environment.

``load`` follows kubectl: an explicit file, else the files in ``KUBECONFIG`` merged (the first to
name a thing wins, files that do not exist are passed over), else ``~/.kube/config``, else the
service account of the pod that this process runs in. What is wrong is a ``ConfigError`` that names
the file, the context and what there would have been.
"""

from __future__ import annotations

import base64
import binascii
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import yaml

from echelon.kube.credentials import (
    EXEC_API_VERSIONS,
    Credentials,
    ExecConfig,
    ExecPlugin,
    Identity,
    StaticCredentials,
    TokenFile,
    basic,
    bearer,
)

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
EXEC_EXTENSION = "client.authentication.k8s.io/exec"


class ConfigError(Exception):
    """A kubeconfig cannot be used; the message says which one and why."""


class Connection(msgspec.Struct, frozen=True):
    """All it takes to reach one API server. ``server`` may carry a path prefix."""

    server: str
    credentials: Credentials = StaticCredentials()
    authority: bytes | None = None  # CA certificates, PEM; None for those the system trusts
    insecure: bool = False  # no check of the server's certificate
    server_name: str = ""  # the name to find in the server's certificate, if not the URL's
    proxy: str = ""
    namespace: str = "default"
    headers: Mapping[str, str] = {}


def load(
    path: Path | None = None, *, context: str | None = None, environ: Mapping[str, str] = os.environ
) -> Connection:
    """The connection of a context, the current one if none is named.

    Raises:
        ConfigError: no such file, context, cluster or user, or one that cannot be used.
    """
    files = _files(path, environ)
    if not files:
        if context is None and "KUBERNETES_SERVICE_HOST" in environ:
            return in_cluster(environ)
        looked = environ.get("KUBECONFIG") or str(_home(environ))
        raise ConfigError(f"no kubeconfig: {looked} does not exist, and this is not a pod of a cluster")
    return _Merged(files).connection(context)


def parse(content: str, where: str) -> Connection:
    """The connection of the current context of a kubeconfig that came from somebody else; ``where`` names it.

    It has to hold all that it takes: a plugin is not run and no file is read for it, and the server has to
    be one whose certificate can be checked.

    Raises:
        ConfigError: it cannot be used, or wants one of these.
    """
    merged = _Merged(())
    merged.add(content, Path(where))
    for part in (*merged.users.values(), *merged.clusters.values()):
        if "exec" in part.fields:
            raise ConfigError(
                f"{part.label}: exec is refused, as no program is run for it; want a token or a certificate"
            )
        for field in _FILES:
            if part.fields.get(field):
                raise ConfigError(f"{part.label}: {field} is refused, as no file is read for it; put the content in")
    connection = merged.connection(None)
    if urlsplit(connection.server).scheme != "https":
        raise ConfigError(f"{where}: the server {connection.server} is refused, want https")
    if connection.insecure:
        raise ConfigError(f"{where}: insecure-skip-tls-verify is refused, want certificate-authority-data")
    return connection


def contexts(path: Path | None = None, *, environ: Mapping[str, str] = os.environ) -> Sequence[str]:
    """The names of the contexts there are."""
    return tuple(_Merged(_files(path, environ)).contexts)


def in_cluster(environ: Mapping[str, str] = os.environ, *, folder: Path = SERVICE_ACCOUNT) -> Connection:
    """The connection of a pod to its own cluster, by its service account.

    Raises:
        ConfigError: this is not a pod, or it has no service account.
    """
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise ConfigError("KUBERNETES_SERVICE_HOST is not set: this is not a pod of a cluster")
    token = folder / "token"
    if not token.exists():
        raise ConfigError(f"{token} does not exist: the pod has no service-account token mounted")
    namespace = folder / "namespace"
    return Connection(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        credentials=TokenFile(token),
        authority=_read(folder / "ca.crt", "the CA certificate of the service account"),
        namespace=namespace.read_text().strip() if namespace.exists() else "default",
    )


class Entry(msgspec.Struct, frozen=True):
    """A context to write, with its cluster and user, all three of the same name."""

    name: str
    server: str
    authority: bytes | None = None
    token: str = ""
    certificate: bytes = b""
    key: bytes = b""
    namespace: str = ""
    insecure: bool = False


def write(path: Path, entries: Sequence[Entry], *, current: str) -> None:
    """Write a kubeconfig with these contexts, readable by its owner only, in one step.

    Raises:
        OSError: the folder cannot be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # created with mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text(entries, current=current))
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def text(entries: Sequence[Entry], *, current: str) -> str:
    """A kubeconfig with these contexts, as YAML."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": current,
        "clusters": [{"name": entry.name, "cluster": _cluster_of(entry)} for entry in entries],
        "users": [{"name": entry.name, "user": _user_of(entry)} for entry in entries],
        "contexts": [{"name": entry.name, "context": _context_of(entry)} for entry in entries],
    }
    return yaml.safe_dump(document, sort_keys=False)


def _cluster_of(entry: Entry) -> dict[str, Any]:
    cluster: dict[str, Any] = {"server": entry.server}
    if entry.authority:
        cluster["certificate-authority-data"] = base64.b64encode(entry.authority).decode()
    if entry.insecure:
        cluster["insecure-skip-tls-verify"] = True
    return cluster


def _user_of(entry: Entry) -> dict[str, Any]:
    user: dict[str, Any] = {"token": entry.token} if entry.token else {}
    if entry.certificate:
        user["client-certificate-data"] = base64.b64encode(entry.certificate).decode()
        user["client-key-data"] = base64.b64encode(entry.key).decode()
    return user


def _context_of(entry: Entry) -> dict[str, Any]:
    context = {"cluster": entry.name, "user": entry.name}
    return context | {"namespace": entry.namespace} if entry.namespace else context


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or Path.home()) / ".kube" / "config"


def _files(path: Path | None, environ: Mapping[str, str]) -> Sequence[Path]:
    if path is not None:
        if not path.exists():
            raise ConfigError(f"the kubeconfig {path} does not exist")
        return [path]
    named = [Path(part) for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return [file for file in named or [_home(environ)] if file.exists()]


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {what}, {path}: {error.strerror}") from error


class _Part:
    """A cluster, user or context of a kubeconfig, with the file that it came from."""

    def __init__(self, what: str, name: str, fields: Mapping[str, Any], file: Path) -> None:
        self.label = f"{what} {name!r} of {file}"
        self.fields = fields
        self.folder = file.parent

    def text(self, field: str) -> str:
        value = self.fields.get(field)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise ConfigError(f"{self.label}: {field} is {type(value).__name__}, want a string")
        return value

    def data(self, field: str) -> bytes | None:
        """``<field>-data``, or the content of the file that ``<field>`` names."""
        encoded, name = self.text(f"{field}-data"), self.text(field)
        if encoded:
            try:
                return base64.b64decode(encoded, validate=True)
            except binascii.Error as error:
                raise ConfigError(f"{self.label}: {field}-data is not base64") from error
        return _read(self.folder / name, f"{field} of {self.label}") if name else None


class _Merged:
    """Several kubeconfig files as one."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files
        self.current = ""
        self.contexts: dict[str, _Part] = {}
        self.clusters: dict[str, _Part] = {}
        self.users: dict[str, _Part] = {}
        for file in files:
            self.add(_read(file, "the kubeconfig"), file)

    def add(self, content: bytes | str, file: Path) -> None:
        try:
            document = yaml.safe_load(content) or {}
        except yaml.YAMLError as error:
            raise ConfigError(f"the kubeconfig {file} is not YAML: {' '.join(str(error).split())}") from error
        if not isinstance(document, dict):
            raise ConfigError(f"the kubeconfig {file} is not a mapping")
        self.current = self.current or document.get("current-context") or ""
        for what, parts in (("context", self.contexts), ("cluster", self.clusters), ("user", self.users)):
            for item in document.get(f"{what}s") or ():
                if not isinstance(item, dict) or not isinstance(item.get("name"), str):
                    raise ConfigError(f"the kubeconfig {file} has a {what} without a name")
                parts.setdefault(item["name"], _Part(what, item["name"], item.get(what) or {}, file))

    def connection(self, name: str | None) -> Connection:
        where = ", ".join(map(str, self.files)) or "it"
        name = name or self.current
        if not name:
            raise ConfigError(
                f"no context named, and {where} sets no current-context; there is {_names(self.contexts)}"
            )
        context = self.contexts.get(name)
        if context is None:
            raise ConfigError(f"no context {name!r} in {where}; there is {_names(self.contexts)}")
        cluster = self._follow(context, "cluster", self.clusters, where)
        user = self._follow(context, "user", self.users, where) if context.text("user") else None
        return self._connect(context, cluster, user)

    @staticmethod
    def _follow(context: _Part, what: str, parts: Mapping[str, _Part], where: str) -> _Part:
        name = context.text(what)
        if not name:
            raise ConfigError(f"{context.label} names no {what}")
        if name not in parts:
            raise ConfigError(f"{context.label} names the {what} {name!r}, and {where} has only {_names(parts)}")
        return parts[name]

    @staticmethod
    def _connect(context: _Part, cluster: _Part, user: _Part | None) -> Connection:
        server = cluster.text("server").rstrip("/")
        if urlsplit(server).scheme not in ("http", "https"):
            raise ConfigError(f"{cluster.label}: server is {server!r}, want a URL with http or https")
        proxy = cluster.text("proxy-url")
        if proxy and urlsplit(proxy).scheme not in ("http", "https"):
            raise ConfigError(f"{cluster.label}: proxy-url is {proxy!r}; only http and https proxies are supported")
        authority = cluster.data("certificate-authority")
        insecure = bool(cluster.fields.get("insecure-skip-tls-verify"))
        if insecure and authority:
            raise ConfigError(f"{cluster.label} has both a certificate-authority and insecure-skip-tls-verify")
        return Connection(
            server=server,
            credentials=_credentials(user, cluster) if user else StaticCredentials(),
            authority=authority,
            insecure=insecure,
            server_name=cluster.text("tls-server-name"),
            proxy=proxy,
            namespace=context.text("namespace") or "default",
            headers=_impersonation(user) if user else {},
        )


def _names(parts: Mapping[str, _Part]) -> str:
    return ", ".join(sorted(parts)) or "none"


def _impersonation(user: _Part) -> Mapping[str, str]:
    if user.fields.get("as-groups") or user.fields.get("as-user-extra"):
        raise ConfigError(f"{user.label}: as-groups and as-user-extra are not supported")
    headers = {"Impersonate-User": user.text("as"), "Impersonate-Uid": user.text("as-uid")}
    return {name: value for name, value in headers.items() if value}


def _credentials(user: _Part, cluster: _Part) -> Credentials:
    certificate, key = user.data("client-certificate"), user.data("client-key")
    if (certificate is None) != (key is None):
        raise ConfigError(f"{user.label} has a client-certificate or a client-key without the other")
    base = Identity(certificate=certificate or b"", key=key or b"")
    if user.fields.get("auth-provider"):
        raise ConfigError(f"{user.label} uses an auth-provider, which Kubernetes has dropped; use an exec plugin")
    if "exec" in user.fields:
        return _plugin(user, cluster, base)
    if user.text("tokenFile"):  # wins over token, as it is the fresher of the two
        return TokenFile(user.folder / user.text("tokenFile"), base)
    if user.text("token"):
        base = msgspec.structs.replace(base, authorization=bearer(user.text("token")).authorization)
    elif user.text("username"):
        identity = basic(user.text("username"), user.text("password"))
        base = msgspec.structs.replace(base, authorization=identity.authorization)
    return StaticCredentials(base)


def _plugin(user: _Part, cluster: _Part, base: Identity) -> ExecPlugin:
    try:
        config = msgspec.convert(user.fields["exec"], ExecConfig)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{user.label}: exec: {error}") from error
    if config.api_version not in EXEC_API_VERSIONS:
        wanted = " or ".join(EXEC_API_VERSIONS)
        raise ConfigError(f"{user.label}: exec: apiVersion is {config.api_version!r}, want {wanted}")
    if config.interactive_mode not in ("Never", "IfAvailable", "Always"):
        raise ConfigError(f"{user.label}: exec: interactiveMode is {config.interactive_mode!r}")
    if "/" in config.command:
        config = msgspec.structs.replace(config, command=str(user.folder / config.command))
    return ExecPlugin(config, cluster=_cluster_info(cluster), base=base)


def _cluster_info(cluster: _Part) -> dict[str, Any]:
    """What a plugin may know about the server (``ExecCredential.spec.cluster``)."""
    authority = cluster.data("certificate-authority")
    extensions = {item.get("name"): item.get("extension") for item in cluster.fields.get("extensions") or ()}
    info = {
        "server": cluster.text("server"),
        "tls-server-name": cluster.text("tls-server-name"),
        "insecure-skip-tls-verify": cluster.fields.get("insecure-skip-tls-verify"),
        "certificate-authority-data": base64.b64encode(authority).decode() if authority else "",
        "proxy-url": cluster.text("proxy-url"),
        "config": extensions.get(EXEC_EXTENSION),
    }
    return {name: value for name, value in info.items() if value}
