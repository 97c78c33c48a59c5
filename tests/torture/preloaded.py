"""What the fork server imports once, so that a role which was killed is back within a moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import highdicom  # noqa: F401
import pynetdicom  # noqa: F401
import sqlalchemy.dialects.sqlite  # noqa: F401
import torch
import torchvision  # noqa: F401

import ra_node.cli.app
import ra_node.inference.predictor
import ra_node.ledger.migrations.upgrade
import ra_node.runtime.roles.deliver
import ra_node.runtime.roles.listen
import ra_node.runtime.roles.schedule
import ra_node.runtime.roles.work
import ra_node.services.analysis.image_examination
import ra_node.services.delivery.deliver
import ra_node.services.reception.ingest
import ra_node.services.reporting.answer
import ra_node.services.retention.maintenance  # noqa: F401
from ra_node.bootstrap.analysis import build_judge
from ra_node.bootstrap.node_context import default_settings

torch.set_num_threads(1)  # before the networks run once: a fork has no threads of its own
_SETTINGS = default_settings()
_SETTINGS = _SETTINGS.model_copy(update={"models": _SETTINGS.models.model_copy(update={"device": "cpu"})})
_JUDGE = build_judge(_SETTINGS)


def networks(bundle: Path, device: str) -> Any:
    """The judge that was built before the fork, None for another bundle or device."""
    return _JUDGE if (bundle, device) == (_SETTINGS.models.bundle, "cpu") else None
