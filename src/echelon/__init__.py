"""Echelon: a fleet manager for Kubernetes."""

__version__ = "0.1.0"
