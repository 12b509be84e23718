"""Changes to objects: every patch type of Kubernetes, as pure functions on JSON values."""

from echelon.apiserver.patch.json_patch import apply_json_patch
from echelon.apiserver.patch.merge import apply_merge
from echelon.apiserver.patch.schema_tree import Lookup, no_references
from echelon.apiserver.patch.strategic import apply_strategic

__all__ = ["Lookup", "apply_json_patch", "apply_merge", "apply_strategic", "no_references"]
