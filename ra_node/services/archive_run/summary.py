"""Summary of an archive run, as text and JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ra_node.domain.bundle_identity import BundleIdentity
from ra_node.services.archive_run.result_csv import GROWING, NAME, ResultTable
from ra_node.services.archive_run.result_rows import UNREADABLE_FILE, RowOutcome
from ra_node.services.archive_run.run import RunCounts


@dataclass(frozen=True, slots=True)
class Summary:
    """One start of a run, and its whole table.

    `answered`, `failed` and `seconds` refer to this start, `done_before` to earlier ones; `hands_*`,
    `refused` and the two counts of files refer to the table, 0 where the run was stopped before its end.
    """

    out: str
    table: str
    studies: int
    done_before: int
    answered: int
    failed: int
    remaining: int
    stopped: bool
    hands_judged: int
    hands_present: int
    hands_inconclusive: int
    hands_not_rated: int
    refused: int
    skipped_files: int
    unreadable_files: int
    failures: tuple[str, ...]
    """The first few files and studies without a result, each with its reason."""
    seconds: float
    studies_per_minute: float
    bundle: str
    bundle_version: str
    bundle_sha256: str
    notice: str

    @property
    def something_failed(self) -> bool:
        """Whether a study, or a file that was named or may be an image, has no result."""
        return bool(self.failed or self.unreadable_files)

    def lines(self) -> Iterator[str]:
        """The summary as text."""
        yield f"Model bundle {self.bundle} {self.bundle_version} ({self.bundle_sha256[:12]}). {self.notice}"
        yield (
            f"{self.studies} studies: {self.answered} analysed now, {self.done_before} before, "
            f"{self.failed} failed, {self.remaining} remain"
        )
        if not self.stopped:
            yield f"{self.hands_judged} hands rated; the model called RA in {self.hands_present}"
            yield f"{self.hands_inconclusive} hands inconclusive, {self.hands_not_rated} not rated"
            yield (
                f"{self.refused} hands or images refused, {self.skipped_files} files skipped, "
                f"{self.unreadable_files} files could not be read"
            )
        yield from self.failures
        yield f"{self.seconds:.0f} s, {self.studies_per_minute:.1f} studies a minute"
        yield f"Table: {self.table}"
        if self.remaining or self.failed:
            yield "The same command continues with what remains and retries what failed."


def summarise(ran: RunCounts, table: ResultTable, out: Path, bundle: BundleIdentity) -> Summary:
    """The summary of one start."""
    done, counts, seconds = ran.answered + ran.failed, table.counts, ran.seconds
    return Summary(
        out=str(out),
        table=str(out / (GROWING if ran.stopped else NAME)),
        studies=ran.studies,
        done_before=ran.done_before,
        answered=ran.answered,
        failed=ran.failed,
        remaining=ran.remaining,
        stopped=ran.stopped,
        hands_judged=counts[RowOutcome.JUDGED],
        hands_present=counts["present"],
        hands_inconclusive=counts[RowOutcome.INCONCLUSIVE],
        hands_not_rated=counts[RowOutcome.NOT_RATED],
        refused=counts[RowOutcome.REFUSED],
        skipped_files=counts[RowOutcome.SKIPPED],
        unreadable_files=counts[UNREADABLE_FILE],
        failures=() if ran.stopped else tuple(table.failures),
        seconds=round(seconds, 3),
        studies_per_minute=round(60 * done / seconds, 2) if seconds > 0 else 0.0,
        bundle=bundle.name,
        bundle_version=bundle.version,
        bundle_sha256=bundle.sha256,
        notice=bundle.notice,
    )
