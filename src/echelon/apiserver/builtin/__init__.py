"""The built-in kinds of the API server.

Everything is derived from one table of types (``types/``, read by ``notation``): OpenAPI, schemas
with defaults, checks and normalisation, and the tables that decode protobuf. Around it stand what a
table cannot say: defaults that depend on other fields (``computed``), rules of single kinds
(``hooks``), their table form (``columns``), and how they are served (``catalogue``).
"""

from __future__ import annotations

from echelon.apiserver.builtin.catalogue import builtin_definitions
from echelon.apiserver.builtin.openapi import components, reachable, resolve
from echelon.apiserver.builtin.schema import BuiltinSchema

__all__ = ["BuiltinSchema", "builtin_definitions", "components", "reachable", "resolve"]
