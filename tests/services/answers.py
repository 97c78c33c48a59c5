"""Studies of one patient, received, examined and answered without processes."""

from __future__ import annotations

from pydicom import Dataset

from ra_node.domain.job import JobKind
from ra_node.domain.result_objects import ObjectKind
from ra_node.ledger.report_json import report_from_json
from ra_node.ledger.results import latest_result
from ra_node.services.analysis.bundle_consistency import BundleConsistency
from ra_node.services.analysis.image_examination import Examiner
from ra_node.services.reporting.answer import Answerer, Destination
from ra_node.services.reporting.prior_report import FollowUps
from tests.dicom.builders import BUNDLE, PRODUCER, source
from tests.finders import BLIND
from tests.services.builders import FakeJudge, looked

SECRET = b"k" * 32


def study(number: int, day: str = "20261123", **attributes: object) -> Dataset:
    """One image of a study of its own, of the same patient."""
    made = source(number=number, StudyInstanceUID=f"2.25.40{number}", StudyDate=day, **attributes)
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    return made


def answered(bench, dataset, *, shown=looked, bundle=BUNDLE, secret=SECRET, placeholders=()):
    """Receive, examine and answer one study; gives its report."""
    bench.secret = secret
    bench.keep(dataset)
    bench.settle()
    number = int(dataset.InstanceNumber)
    judge = FakeJudge()
    while jobs := bench.claim(JobKind.EXAMINE):
        Examiner(
            bench.ledger,
            bench.files,
            judge,
            bundle.sha256,
            BLIND,
            lambda: False,
            lambda path, rules: shown(number),
        ).examine(jobs)
    one_bundle = BundleConsistency(bench.ledger, bench.files, judge, bundle, BLIND)
    answerer = Answerer(
        bench.ledger,
        bench.files,
        one_bundle,
        PRODUCER,
        [Destination("pacs", (ObjectKind.SR,))],
        "Research use only",
        follow_ups=FollowUps(bench.ledger, secret, files=bench.files, placeholders=placeholders),
    )
    (job,) = bench.claim(JobKind.REPORT)
    answerer.answer(job)
    return report_from_json(latest_result(bench.ledger, str(dataset.StudyInstanceUID)).report_json)
