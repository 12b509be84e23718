"""Custom resource definitions: what makes one valid, which names it gets, and the resource it defines.

Pure functions on CustomResourceDefinition objects (dicts, v1), and the hooks by which the server
applies them when such an object is written:

* ``CustomResourceDefinitionHooks`` defaults and validates a definition,
* ``observed_status`` decides names and conditions among the definitions of a group,
* ``definition_of`` turns an established definition into what the registry serves.
"""

from echelon.apiserver.crd.definition import definition_of
from echelon.apiserver.crd.hooks import CustomResourceDefinitionHooks
from echelon.apiserver.crd.names import is_established, observed_status
from echelon.apiserver.crd.validation import validate_definition

__all__ = [
    "CustomResourceDefinitionHooks",
    "definition_of",
    "is_established",
    "observed_status",
    "validate_definition",
]
