"""Verbs: everything that can be done, in one registry. Bindings, footer, help, command line and docs are made of it."""

from quarterdeck_lifecycle.verbs.model import Argument, Risk, Verb, VerbKind
from quarterdeck_lifecycle.verbs.registry import Registry, built_in

__all__ = ["Argument", "Registry", "Risk", "Verb", "VerbKind", "built_in"]
