"""What the fork server imports once, so that a role which was killed is back within a moment."""

from __future__ import annotations

import gc
import importlib
import pkgutil
from pathlib import Path
from typing import Any

import highdicom  # noqa: F401
import pynetdicom  # noqa: F401
import sqlalchemy.dialects.sqlite  # noqa: F401
import torch
import torchvision  # noqa: F401

import ra_node
from ra_node.bootstrap.analysis import build_predictor
from ra_node.bootstrap.node_context import default_settings

for _found in pkgutil.walk_packages(ra_node.__path__, "ra_node."):
    if not _found.name.endswith(("__main__", "migrations.env")):  # which run at once
        importlib.import_module(_found.name)

torch.set_num_threads(1)  # before the networks run once: a fork has no threads of its own
_SETTINGS = default_settings()
_SETTINGS = _SETTINGS.model_copy(update={"models": _SETTINGS.models.model_copy(update={"device": "cpu"})})
_JUDGE = build_predictor(_SETTINGS)
gc.freeze()  # no fork looks through what is here for garbage, and copies its pages by that


def networks(bundle: Path, device: str) -> Any:
    """The judge that was built before the fork, None for another bundle or device."""
    return _JUDGE if (bundle, device) == (_SETTINGS.models.bundle, "cpu") else None
