"""Removes the hands of reader studies that were exported long enough ago; what was read stays in the ledger.

A reader study that was not exported is kept for ever: its hands exist nowhere else.
"""

from __future__ import annotations

import shutil

import structlog

from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.database.events import note
from ra_node.ledger.reader_studies.studies import exported_before, mark_study_purged
from ra_node.ledger.storage.durable_files import READER_STUDIES, Files
from ra_node.ledger.storage.identity import Unbound, problem_before_deletion


def purge_reader_studies(ledger: Ledger, files: Files, keep_s: float) -> int:
    """Remove the folders of reader studies exported more than `keep_s` seconds ago; return their number.

    Rows first: after a crash between both a folder without paths is left, which holds nothing that is read.
    Raises Unbound, and removes nothing, where data folder and ledger do not belong together.
    """
    problem = problem_before_deletion(ledger, files)
    if problem:
        raise Unbound(f"nothing is purged: {problem}")
    now = ledger.clock()
    with ledger.read() as connection:
        old = exported_before(connection, now - keep_s)
    for study in old:
        with ledger.write() as connection:
            mark_study_purged(connection, study.id, now)
            note(connection, now, "reader_study_purged", None, reader_study=study.name)
        shutil.rmtree(files.path(f"{READER_STUDIES}/{study.id}"), ignore_errors=True)
        structlog.get_logger().info("reader_study_purged", reader_study=study.name)
    return len(old)
