"""A ledger of an older node goes on where it stopped, with its work in flight."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from ra_node.domain.job import JobKind, JobState
from ra_node.ledger import migrations
from ra_node.ledger.commitments import uncommitted
from ra_node.ledger.database.engine import ledger_version, open_ledger
from ra_node.ledger.database.schema import CommitmentState, DeliveryState
from ra_node.ledger.deliveries import DeliveryOutcome, deliveries_of, pending_deliveries, record_delivery
from ra_node.ledger.inbox import close_all_associations, settle_due
from ra_node.ledger.jobs.queue import abandon, claim
from ra_node.ledger.overview import find_study, jobs_of
from tests.ledger.builders import LEASE_S, FakeClock, claim_one

NOW = 1_800_000_000.0
OLD = """
INSERT INTO association VALUES ('a', 'host:11112', 'PACS', '10.0.0.1', {now}, NULL);
INSERT INTO study VALUES ('1.1', {now}, {now}, 1, 1, 'answered', NULL);
INSERT INTO study VALUES ('1.2', {now}, {now}, 0, 0, 'open', NULL);
INSERT INTO instance (id, sop_instance_uid, study_uid, series_uid, sop_class_uid, transfer_syntax_uid, path,
  size_bytes, calling_ae, association_id, received_at, counts, version)
  VALUES ('i1', '1.1.1', '1.1', '1.1.0', 'c', 't', 'inbox/1', 1, 'PACS', NULL, {now}, {true}, 1),
         ('i2', '1.2.1', '1.2', '1.2.0', 'c', 't', 'inbox/2', 1, 'PACS', 'a', {now}, {true}, NULL);
INSERT INTO result VALUES ('1.1', 1, '{{}}', {now}, '1.1.9.1', NULL);
INSERT INTO object VALUES ('1.1.9.1', '1.1', 1, 'sr', 'c', 'results/1'),
                          ('1.1.9.2', '1.1', 1, 'overlay', 'c', 'results/2');
INSERT INTO delivery VALUES ('1.1.9.1', 'pacs', 'accepted', 0, 'success', 1, {now}),
                            ('1.1.9.2', 'pacs', 'waiting', NULL, NULL, 0, {now});
INSERT INTO job (id, kind, key, study_uid, instance_id, version, peer, state, run_at, attempt, excused,
  max_attempts, fence, owner, lease_until, created_at)
  VALUES ('j1', 'deliver', 'deliver:1.1:1:pacs', '1.1', NULL, 1, 'pacs', 'leased', {now}, 1, 0, 5, 1,
          'deliver-1', {now}, {now}),
         ('j2', 'examine', 'examine:1.2.1', '1.2', 'i2', NULL, NULL, 'ready', {now}, 0, 0, 3, 0,
          NULL, NULL, {now});
"""


@pytest.fixture
def old(empty_url):
    """A ledger of migration 0001 in the middle of its work."""
    engine = create_engine(empty_url)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    true = "1" if engine.dialect.name == "sqlite" else "true"
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in OLD.format(now=NOW, true=true).split(";"):
            if statement.strip():
                connection.execute(text(statement))
    engine.dispose()
    return empty_url


def test_a_ledger_of_the_first_version_goes_on_with_its_work(old):
    """Delivered stays delivered, what was on its way is sent, and commitment is asked for from now on."""
    clock = FakeClock(NOW)
    ledger = open_ledger(old, clock)
    assert ledger_version(ledger) == migrations.HEAD
    assert {item.commitment for item in deliveries_of(ledger, "1.1")} == {CommitmentState.NOT_ASKED}
    assert abandon(ledger, "deliver-1") == 1
    (job,) = claim(ledger, [JobKind.DELIVER], "new", 16, LEASE_S, peer="pacs")
    (pending,) = pending_deliveries(ledger, job)
    outcome = DeliveryOutcome(pending.object.sop_instance_uid, DeliveryState.ACCEPTED, 0)
    record_delivery(ledger, job, [outcome], retry_at=0, give_up_after_s=None, commit=True)
    (reference,) = uncommitted(ledger, claim_one(ledger, JobKind.COMMIT))
    assert reference.sop_instance_uid == "1.1.9.2"
    assert {item.state for item in deliveries_of(ledger, "1.1")} == {DeliveryState.ACCEPTED}
    assert close_all_associations(ledger, "host:11112") == 1
    clock.advance(10)
    assert settle_due(ledger, 5, 300) == [("1.2", 1)]
    assert find_study(ledger, "1.2").version == 1
    assert [job.state for job in jobs_of(ledger, "1.2")] == [JobState.READY] * 2
    ledger.close()
