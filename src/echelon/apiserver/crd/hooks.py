"""What the server does to a CustomResourceDefinition before it stores it."""

from __future__ import annotations

from echelon.apiserver.crd.validation import validate_definition
from echelon.apiserver.definitions import Object
from echelon.apiserver.errors import FieldError


class CustomResourceDefinitionHooks:
    """Defaults names and conversion, keeps the status the server's own, and validates.

    Objects come here with the types of their kind; the schema of the kind refuses others before.
    """

    def prepare_create(self, obj: Object) -> None:
        """Nothing is accepted yet: a new definition has an empty status, whatever was sent."""
        _default(obj["spec"])
        obj["status"] = {"conditions": [], "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": []}
        _note_storage_version(obj)

    def prepare_update(self, obj: Object, old: Object) -> None:
        """A new storage version joins those that objects may be stored in."""
        _default(obj["spec"])
        _note_storage_version(obj)

    def validate(self, obj: Object, old: Object | None, subresource: str) -> list[FieldError]:
        return [] if subresource == "status" else validate_definition(obj, old)


def _default(spec: Object) -> None:
    names = spec["names"]
    if names.get("kind"):
        names["singular"] = names.get("singular") or names["kind"].lower()
        names["listKind"] = names.get("listKind") or f"{names['kind']}List"
    if spec.get("conversion") is None:
        spec["conversion"] = {"strategy": "None"}


def _note_storage_version(obj: Object) -> None:
    status = obj.get("status") or {}
    stored: list[str] = status.get("storedVersions") or []
    versions = obj["spec"].get("versions") or ()
    current = next((version["name"] for version in versions if version.get("storage")), None)
    if current is not None and current not in stored:
        obj["status"] = status | {"storedVersions": [*stored, current]}
