"""What an operator asks of one study: its result sent again to one destination, its images analysed again."""

from __future__ import annotations

from sqlalchemy import and_, exists, select, true, update

from ra_node.domain.job import JobKind, JobState
from ra_node.errors import Refused
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.database.events import note
from ra_node.ledger.database.schema import CommitmentState, DeliveryState, StudyState
from ra_node.ledger.inbox import Instance
from ra_node.ledger.jobs.queue import reopen_job
from ra_node.ledger.storage.damage import examine_again

_study, _delivery, _item, _image = schema.study, schema.delivery, schema.result_object, schema.instance


def resend_result(ledger: Ledger, study_uid: str, peer: str) -> int:
    """Queue every object of the newest result for a destination that it was made for; return their number.

    The objects keep their UIDs, so a second copy is harmless. Raises Refused where there is none, or its
    files are purged.
    """
    with ledger.write() as connection:
        locked = select(_study.c.answered_version).where(_study.c.study_uid == study_uid).with_for_update()
        version = connection.execute(locked).scalar()
        objects = select(_item.c.sop_instance_uid).where(
            _item.c.study_uid == study_uid, _item.c.version == version, _item.c.path.is_not(None)
        )
        now = ledger.clock()
        fresh = {
            "state": DeliveryState.WAITING,
            "commitment": CommitmentState.NOT_ASKED,
            "status": None,
            "detail": None,
            "updated_at": now,
        }
        these = and_(_delivery.c.peer == peer, _delivery.c.object_uid.in_(objects))
        count = connection.execute(update(_delivery).where(these).values(**fresh)).rowcount
        if not count:
            raise Refused("expected a kept result for this destination, found none; analyse the study again")
        reopen_job(connection, ledger, JobKind.DELIVER, study_uid, version, peer)
        note(connection, now, "resend_requested", study_uid, version=version, peer=peer, objects=count)
    return count


def analyse_again(ledger: Ledger, study_uid: str) -> int:
    """Queue every kept image of a reported study for a new analysis and a new version; return their number.

    An image that its header excludes is not read. Raises Refused while the study is received or analysed,
    after a withdrawal, and where no image is kept.
    """
    with ledger.write() as connection:
        locked = select(_study).where(_study.c.study_uid == study_uid).with_for_update()
        found = connection.execute(locked).first()
        if found is None or found.state not in (StudyState.ANSWERED, StudyState.FAILED):
            raise Refused("expected a study with a report, found one that is received or analysed now")
        taken = schema.withdrawal
        withdrawn = select(taken.c.version).where(taken.c.study_uid == study_uid)
        if connection.execute(withdrawn).first() is not None:
            raise Refused("expected a result, found a withdrawn one; the source can send the study again")
        job = schema.job
        examined = exists(
            select(job.c.id).where(
                job.c.instance_id == _image.c.id,
                job.c.kind == JobKind.EXAMINE,
                job.c.state.in_((JobState.DONE, JobState.BURIED)),
            )
        )
        kept = and_(_image.c.study_uid == study_uid, _image.c.path.is_not(None), _image.c.counts == true())
        columns = [_image.c[name] for name in Instance.__slots__]
        query = select(*columns).where(kept, examined).order_by(_image.c.received_at, _image.c.id)
        images = [Instance(*row) for row in connection.execute(query)]
        if not images:
            raise Refused("expected images of this study, found none that is kept and can be analysed")
        for image in images:
            this = update(_image).where(_image.c.id == image.id)
            connection.execute(this.values(finding_json=None, examined_at=None))
            examine_again(connection, ledger, image, examine=True)
        note(connection, ledger.clock(), "analysis_requested", study_uid, images=len(images))
    return len(images)
