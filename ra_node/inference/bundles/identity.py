"""What reports say of a bundle, from its manifest."""

from __future__ import annotations

import hashlib

from ra_node.domain.bundle_identity import BundleIdentity, HeatMapCheck, Model
from ra_node.inference.bundles.manifest import DomainPart, JointTask, Manifest


def device_uid(weights_sha256: str) -> str:
    """Name the algorithm by its weights (PS3.5 B.2: a UUID-derived UID, at most 64 characters)."""
    digest = hashlib.sha256(b"ra-node device " + weights_sha256.encode()).hexdigest()
    return f"2.25.{int(digest[:32], 16)}"


def bundle_identity(manifest: Manifest, sha256: str) -> BundleIdentity:
    """Identity and figures for reports; `sha256` is that of `manifest.json`."""
    tasks = (("recognition", manifest.tasks.recognition), ("staging", manifest.tasks.staging))
    models = tuple(
        Model(
            task=name,
            architecture=task.architecture,
            name=f"{manifest.name} {name}",
            version=manifest.version,
            weights_sha256=task.weights_sha256,
            device_uid=device_uid(task.weights_sha256),
            manufacturer=manifest.manufacturer,
            auc=task.metrics.get("auc"),
            measured_on=task.metrics_on,
            exact_stage=task.metrics.get("accuracy") if name == "staging" else None,
            within_one_stage=task.metrics.get("within_one_stage"),
            calibration_error=_calibration_error(manifest, name),
        )
        for name, task in tasks
    )
    told = manifest.heat_map
    check = None if told is None else HeatMapCheck(told.found, told.hands, told.measured_on)
    domain = manifest.domain or DomainPart(ages=manifest.ages)
    joints = manifest.tasks.joints
    if joints is not None:
        models += (_joint_model(manifest, joints),)
    return BundleIdentity(
        manifest.name,
        manifest.version,
        sha256,
        models,
        manifest.notice,
        ages=domain.ages,
        views=domain.views,
        casts=domain.casts,
        heat_map=check,
    )


def _calibration_error(manifest: Manifest, task: str) -> tuple[float, float, float] | None:
    """The error on held-out hands with its interval, from the free part about the training."""
    held_out = manifest.training.get("held_out")
    if not isinstance(held_out, dict):
        return None
    errors, intervals = held_out.get("calibration_error"), held_out.get("calibration_interval")
    error = errors.get(task) if isinstance(errors, dict) else None
    match error, intervals.get(task) if isinstance(intervals, dict) else None:
        case int() | float() as found, [int() | float() as low, int() | float() as high]:
            return float(found), float(low), float(high)
    return None


def _joint_model(manifest: Manifest, joints: JointTask) -> Model:
    return Model(
        task="joints",
        architecture="joint network",
        name=f"{manifest.name} joints",
        version=manifest.version,
        weights_sha256=joints.weights_sha256,
        device_uid=device_uid(joints.weights_sha256),
        manufacturer=manifest.manufacturer,
        auc=joints.metrics.get("auc"),
        measured_on=joints.metrics_on,
    )
