"""Processes, signals and clock of the roles."""
