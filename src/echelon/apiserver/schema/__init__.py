"""Structural schemas of Kubernetes objects: prune, default, validate.

schema = compile_schema(openapi)
unknown = schema.prune(obj)
schema.default(obj)
errors = schema.validate(obj, old)
"""

from echelon.apiserver.schema.compiler import Schema, compile_schema
from echelon.apiserver.schema.structural import UnknownReference

__all__ = ["Schema", "UnknownReference", "compile_schema"]
