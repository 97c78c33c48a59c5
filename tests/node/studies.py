"""Studies for the whole node: small phantoms, so that a test takes seconds."""

from __future__ import annotations
