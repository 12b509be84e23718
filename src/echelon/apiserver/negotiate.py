"""In which form an answer goes out: chosen from the Accept header.

A header is a list of media types, each perhaps with ``as=…;g=…;v=…`` asking for a transformed
object. The server writes JSON and YAML; protobuf is read but never written, so a client that lists
protobuf first gets its next choice.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from echelon.apiserver.errors import not_acceptable

JSON = "application/json"
YAML = "application/yaml"
_AVAILABLE = (
    f"{JSON}, {YAML}, application/vnd.kubernetes.protobuf, "
    f"{JSON};stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
)
_META_VERSIONS = ("v1", "v1beta1")
_METADATA_FORMS = {"Table", "PartialObjectMetadata", "PartialObjectMetadataList"}
_ANY = {"*/*", "application/*", JSON}


class Form(msgspec.Struct, frozen=True):
    """The form of an answer: its media type and, for a transformed object, as what and in which version."""

    media_type: str = JSON
    as_: str = ""
    group: str = ""
    version: str = ""

    @property
    def is_yaml(self) -> bool:
        return self.media_type == YAML

    @property
    def content_type(self) -> bytes:
        if self.as_ == "APIGroupDiscoveryList":
            return f"{JSON};g={self.group};v={self.version};as={self.as_}".encode()
        return self.media_type.encode()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}"


PLAIN = Form()


@lru_cache(maxsize=512)
def object_form(accept: str) -> Form:
    """The form of an object, a list or a watch event.

    Raises:
        StatusError: 406 when nothing the client accepts can be written.
    """
    return _choose(accept, _METADATA_FORMS, "meta.k8s.io", _META_VERSIONS)


@lru_cache(maxsize=512)
def discovery_form(accept: str) -> Form:
    """The form of a discovery document; aggregated when asked for.

    Raises:
        StatusError: 406 when nothing the client accepts can be written.
    """
    return _choose(accept, {"APIGroupDiscoveryList"}, "apidiscovery.k8s.io", ("v2", "v2beta1"))


def _choose(accept: str, transforms: set[str], group: str, versions: tuple[str, ...]) -> Form:
    if not accept:
        return PLAIN
    for clause in _clauses(accept):
        media_type, parameters = clause
        written = JSON if media_type in _ANY else YAML if media_type == YAML else ""
        if not written:
            continue
        asked = parameters.get("as", "")
        if not asked:
            return Form(written)
        known = asked in transforms and parameters.get("g") == group and parameters.get("v") in versions
        if known and parameters.get("profile", "nopeer") == "nopeer":
            return Form(written, asked, group, parameters["v"])
    raise not_acceptable(_AVAILABLE)


def _clauses(accept: str) -> list[tuple[str, dict[str, str]]]:
    """Media types with their parameters, the client's favourite first."""
    clauses = []
    for part in accept.split(","):
        media_type, *parameters = (piece.strip() for piece in part.split(";"))
        named = dict(parameter.partition("=")[::2] for parameter in parameters)
        clauses.append((media_type.lower(), named))
    return sorted(clauses, key=lambda clause: -_quality(clause[1].get("q", "1")))


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0
