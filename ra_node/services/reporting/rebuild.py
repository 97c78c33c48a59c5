"""Rebuilds the objects of a report from the report, where their files are missing or damaged.

They are rebuilt from the stored report, headers and previews: the bytes are identical, or the result is
discarded. Other content is never sent under the same UID.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import structlog

from ra_node.dicom.provenance import Producer
from ra_node.domain.refusal import Reason
from ra_node.domain.report import StudyReport
from ra_node.domain.result_objects import ObjectKind
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.inbox import instances_of
from ra_node.ledger.report_json import report_from_json
from ra_node.ledger.results import earlier_result, find_result, objects_of
from ra_node.ledger.storage.damage import replace_object
from ra_node.ledger.storage.durable_files import RESULTS, Files, sha256_of
from ra_node.services.reporting.display_pixels import read_display
from ra_node.services.reporting.lazy_sources import LazySources
from ra_node.services.reporting.render_objects import Rendering, Sources, encoded
from ra_node.services.reporting.sources import present_sources, read_datasets, sr_of


@dataclass(frozen=True, slots=True)
class Rebuilder:
    """Dependencies of a rebuild; `producer` is that of the present settings."""

    ledger: Ledger
    files: Files
    producer: Producer

    def rebuild(self, study_uid: str, version: int, uids: Collection[str]) -> set[str]:
        """Rebuild these objects of one report; return the UIDs of those that are intact now."""
        wanted = {
            one.sop_instance_uid: one
            for one in objects_of(self.ledger, study_uid, version)
            if one.sop_instance_uid in uids and one.path is not None and one.sha256 is not None
        }
        found = find_result(self.ledger, study_uid, version)
        if found is None or not wanted:
            return set()
        report = report_from_json(found.report_json)
        kinds = {ObjectKind(one.kind) for one in wanted.values()}
        done = set()
        for _kind, dataset in self._rendering(report).objects(kinds):
            made, content = wanted.get(str(dataset.SOPInstanceUID)), encoded(dataset)
            if made is None or sha256_of(content) != made.sha256:
                continue
            path = self.files.write(content, RESULTS, ".dcm")
            if not replace_object(self.ledger, made, path):
                self.files.remove(path)  # another thread was faster
            elif made.path is not None:
                self.files.remove(made.path)
            done.add(made.sop_instance_uid)
        structlog.get_logger().warning(
            "objects_rebuilt", study_uid=study_uid, version=version, wanted=len(wanted), rebuilt=len(done)
        )
        return done

    def _rendering(self, report: StudyReport) -> Rendering:
        rows = {one.sop_instance_uid: one for one in instances_of(self.ledger, report.study_instance_uid)}
        used = [
            rows[image.sop_instance_uid]
            for image in report.images
            if image.sop_instance_uid in rows
            and not (image.refusal and image.refusal.reason is Reason.FILE_DAMAGED)
        ]
        earlier = earlier_result(self.ledger, report.study_instance_uid, report.version)
        predecessor = sr_of(self.ledger, self.files, earlier)
        whole = [one for one in used if self._is_whole(one.path, one.sha256)]
        first = next((rows[uid] for image in report.images if (uid := image.sop_instance_uid) in rows), None)
        datasets = read_datasets(self.files, report.study_instance_uid, whole, first, predecessor)
        kept = {one.sop_instance_uid: str(one.path) for one in whole if one.preview_path is None} | {
            one.sop_instance_uid: str(one.preview_path)
            for one in used
            if self._is_whole(one.preview_path, one.preview_sha256)
        }
        displays = LazySources({uid: self.files.path(path) for uid, path in kept.items()}, read_display)
        sources, _ = present_sources(
            self.ledger, self.files, report.study_instance_uid, Sources(datasets, displays)
        )
        return Rendering(report, sources, self.producer, predecessor)

    def _is_whole(self, path: str | None, sha256: str | None) -> bool:
        return path is not None and self.files.damage(path, sha256) is None
