"""Changes to objects: every patch type of Kubernetes, and who owns which field.

All of it is pure: functions on JSON values (dicts, lists, scalars), no clock, no storage. Objects
given are never changed, objects returned share no dict or list with them, so the caller may default
and prune them in place.

A patch request is served so: ``apply_merge``, ``apply_json_patch``, ``apply_strategic`` or, for
server-side apply, ``check_applied`` and ``FieldManager.apply`` make the new object; the server
defaults, prunes and validates it; after every write but an apply ``FieldManager.update`` gives its
``managedFields``; and when it is ``unchanged`` from the live object nothing is written.
"""

from echelon.apiserver.patch.field_manager import FieldManager, check_applied, unchanged
from echelon.apiserver.patch.json_patch import apply_json_patch
from echelon.apiserver.patch.merge import apply_merge
from echelon.apiserver.patch.schema_tree import Lookup, no_references
from echelon.apiserver.patch.strategic import apply_strategic

__all__ = [
    "FieldManager",
    "Lookup",
    "apply_json_patch",
    "apply_merge",
    "apply_strategic",
    "check_applied",
    "no_references",
    "unchanged",
]
