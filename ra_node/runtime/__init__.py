"""Processes, signals, clock: how a role lives."""
