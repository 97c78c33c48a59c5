"""Use cases: one package a capability."""
