"""The table of result objects is whole: whoever adds a kind is told what else it needs."""

from __future__ import annotations

import pytest
from pydicom.uid import UID

from ra_node.domain.result_objects import OPTIONS, RESULT_OBJECTS, ObjectKind, class_of
from ra_node.network.presentation_contexts import RESULT_CLASSES
from ra_node.services.reporting.render_objects import BUILDERS
from ra_node.settings.peer import PeerTable


def test_every_kind_has_one_row_and_one_builder():
    assert [row.kind for row in RESULT_OBJECTS] == list(ObjectKind)
    assert set(BUILDERS) == set(ObjectKind)


@pytest.mark.parametrize("kind", [*OPTIONS, ObjectKind.REJECTION_NOTE])
def test_every_optional_kind_is_a_key_of_a_destination_that_is_off_by_default(kind):
    assert PeerTable.model_fields[kind].default is False
    assert PeerTable(name="pacs", ae_title="PACS", **{kind: True}).options == (kind,)


@pytest.mark.parametrize("row", RESULT_OBJECTS, ids=lambda row: row.kind)
def test_a_row_names_a_storage_class_of_the_standard_that_is_negotiated(row):
    assert UID(row.sop_class_uid).name.endswith("Storage")
    assert UID(row.sop_class_uid) in RESULT_CLASSES
    assert class_of(row.kind) is row
