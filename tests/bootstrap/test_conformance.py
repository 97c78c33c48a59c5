"""The conformance statement says what the node really negotiates and answers."""

from __future__ import annotations

from itertools import islice

import pytest
from pydicom.uid import (
    AllTransferSyntaxes,
    Comprehensive3DSRStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    JPEGExtended12Bit,
    JPEGLSLossless,
)
from pynetdicom import AE, AllStoragePresentationContexts, build_context, build_role
from pynetdicom.sop_class import (
    ModalityWorklistInformationFind,
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)
from typer.testing import CliRunner

from ra_node.bootstrap.commands import statement_of
from ra_node.bootstrap.listener import build_listener
from ra_node.bootstrap.node_context import open_state
from ra_node.cli.app import app
from ra_node.dicom.conformance.document import as_html, as_markdown, numbered
from ra_node.errors import Refused
from ra_node.ledger.database.engine import LedgerUnavailable
from ra_node.network.scp.answered_statuses import STORE_ANSWERS
from ra_node.network.scp.server import Listener, ListenSettings
from ra_node.settings.node import settings_from
from tests.network.fakes import TENDED, FakeInbox, write_instance

PACS = {
    "name": "pacs",
    "ae_title": "PACS",
    "port": 104,
    "commitment": True,
    "complete_by": "query",
    "pdf": True,
}
MOST_CONTEXTS = 128
"""Of one association (PS3.8 9.3.2.2)."""


def configured(folder, **tables):
    """A node on a free port with one PACS that has every option but two."""
    base = {"node": {"port": 0, "data_dir": "state"}, "peer": [PACS]}
    return settings_from({**base, **tables}, base=folder)


def tables(statement):
    """Every table of the statement, in its order."""
    return [one for entry in numbered(statement.sections) for one in entry.section.tables]


def table(statement, *head):
    """The rows of the one table whose head begins like this."""
    (found,) = (one for one in tables(statement) if one.head[: len(head)] == head)
    return found.rows


def contexts_in(statement, title):
    """The rows of the table of SOP classes in the section of this title."""
    return next(
        one.rows
        for entry in numbered(statement.sections)
        if entry.section.title == title
        for one in entry.section.tables
        if one.head[0] == "SOP class"
    )


def stated_pairs(statement):
    """Our role for every SOP class and transfer syntax that the statement says is accepted."""
    sets: dict[str, list[str]] = {}
    for name, _, _, uid in table(statement, "Set"):
        sets.setdefault(name, []).append(uid)
    rows = contexts_in(statement, "Presentation contexts accepted")
    return {(uid, syntax): role for _, uid, name, role in rows for syntax in sets[name]}


@pytest.fixture(scope="module")
def listening(tmp_path_factory):
    """The listener as the role builds it, and the statement of its settings."""
    settings = configured(tmp_path_factory.mktemp("node"))
    state = open_state(settings)
    listener, _ = build_listener(settings, state, "listen-test")
    with listener:
        yield listener, statement_of(settings)
    state.ledger.close()


def associated(port, contexts, roles=()):
    entity = AE("PACS")
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 120
    made = entity.associate("127.0.0.1", port, contexts=contexts, ext_neg=list(roles), evt_handlers=[TENDED])
    assert made.is_established or made.rejected_contexts
    return made


def test_every_class_and_syntax_is_accepted_or_refused_as_stated(listening):
    """Each pair in a context of its own: every storage class, and every syntax that DICOM knows."""
    listener, statement = listening
    classes = [cx.abstract_syntax for cx in AllStoragePresentationContexts]
    others = [Verification, StudyRootQueryRetrieveInformationModelFind, ModalityWorklistInformationFind]
    telling = (ExplicitVRLittleEndian, JPEGLSLossless, JPEGExtended12Bit)
    pairs = [(uid, syntax) for uid in classes for syntax in telling]
    samples = (DigitalXRayImageStorageForPresentation, Comprehensive3DSRStorage, *others)
    pairs += [(uid, syntax) for uid in samples for syntax in AllTransferSyntaxes]
    wanted = iter(dict.fromkeys((str(uid), str(syntax)) for uid, syntax in pairs))
    accepted, refused = set(), set()
    while batch := list(islice(wanted, MOST_CONTEXTS)):
        made = associated(listener.port, [build_context(*pair) for pair in batch])
        accepted |= {(str(cx.abstract_syntax), str(cx.transfer_syntax[0])) for cx in made.accepted_contexts}
        refused |= {(str(cx.abstract_syntax), str(cx.transfer_syntax[0])) for cx in made.rejected_contexts}
        made.release() if made.is_established else made.abort()
    stated = {pair for pair, role in stated_pairs(statement).items() if role == "SCP"}
    tried = accepted | refused
    assert accepted == stated & tried
    assert {uid for uid, _ in stated} == {uid for uid, _ in accepted}


def test_the_preferred_syntax_is_the_first_of_its_set(listening):
    listener, statement = listening
    image = str(DigitalXRayImageStorageForPresentation)
    stated = [syntax for uid, syntax in stated_pairs(statement) if uid == image]
    for preferred in range(len(stated)):
        made = associated(listener.port, [build_context(image, list(reversed(stated[preferred:])))])
        (context,) = made.accepted_contexts
        assert str(context.transfer_syntax[0]) == stated[preferred]
        made.release()


def test_reports_of_commitment_are_taken_in_the_role_that_is_stated(listening):
    listener, statement = listening
    pair = (str(StorageCommitmentPushModel), str(ExplicitVRLittleEndian))
    assert stated_pairs(statement)[pair] == "SCU"
    role = build_role(StorageCommitmentPushModel, scp_role=True)
    made = associated(listener.port, [build_context(*pair)], [role])
    (context,) = made.accepted_contexts
    assert context.as_scp
    made.release()


def test_names_and_sizes_are_those_of_the_association(listening):
    listener, statement = listening
    made = associated(listener.port, [build_context(Verification)])
    names = dict(table(statement, "What", "Value"))
    policies = [row for one in tables(statement) if one.head[0] == "Policy" for row in one.rows]
    assert str(made.acceptor.implementation_class_uid) == names["Implementation Class UID in associations"]
    assert (
        str(made.acceptor.implementation_version_name) == names["Implementation Version Name in associations"]
    )
    assert ("Maximum PDU length offered", f"{made.acceptor.maximum_length} bytes") in policies
    assert made.acceptor.asynchronous_operations == (1, 1)
    made.release()


def test_every_status_that_is_answered_is_stated_and_no_other(tmp_path):
    """Success, a refusal, a ledger that is away and an error of our own, from the real listener."""
    inbox = FakeInbox(tmp_path)
    settings = ListenSettings("RANODE", tmp_path / "incoming", "127.0.0.1", 0, accept_unknown=True)
    inbox.failures = [Refused("other pixels"), LedgerUnavailable("away"), ZeroDivisionError()]
    with Listener(settings, inbox) as listener:
        sent = write_instance(tmp_path, pixels_bytes=1000)
        context = build_context(DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian)
        made = associated(listener.port, [context])
        answered = [int(made.send_c_store(sent).Status) for _ in range(4)]
        made.release()
        inbox.wait_until_closed()
    assert set(answered) == set(STORE_ANSWERS)


def test_the_options_in_use_are_proposed_and_no_others(tmp_path):
    names = proposed(configured(tmp_path))
    assert {"Encapsulated PDF Storage", "Storage Commitment Push Model"} <= names
    assert "Key Object Selection Document Storage" not in names
    bare = proposed(configured(tmp_path, peer=[]))
    assert bare.isdisjoint({"Encapsulated PDF Storage", "Storage Commitment Push Model"})


def proposed(settings):
    return {name for name, *_ in contexts_in(statement_of(settings), "Presentation contexts proposed")}


def test_messages_and_the_rejection_note_are_stated_as_configured(tmp_path):
    """The events that the listener takes, and titles of the note."""
    silent = as_markdown(statement_of(configured(tmp_path)))
    assert "No HL7 message is accepted" in silent
    assert "113001" in silent
    assert "113037" in silent
    settings = configured(tmp_path, hl7={"listen": "127.0.0.1:2575"}, peer=[{**PACS, "rejection_note": True}])
    statement = statement_of(settings)
    assert [row[0] for row in table(statement, "HL7 message")] == [
        "ADT^A18, A40, A47",
        "ADT^A08",
        "any other",
    ]
    assert "over MLLP without TLS" in as_markdown(statement)
    assert "Key Object Selection Document Storage" in proposed(settings)


def test_the_page_stands_alone_and_holds_names_as_text(tmp_path):
    page = as_html(statement_of(configured(tmp_path, peer=[{**PACS, "ae_title": "<B>PACS</B>"}])))
    assert "&lt;B&gt;PACS" in page
    assert "<B>" not in page
    for outside in ("http://", "https://", "src=", "@import", "url("):
        assert outside not in page


def test_no_secret_of_the_configuration_is_told(tmp_path):
    url = "postgresql+pg8000://user:hunter2@host/name"
    settings = configured(tmp_path, ledger={"url": url})
    assert "hunter2" not in as_markdown(statement_of(settings))


def test_sections_are_numbered_and_tables_are_whole(tmp_path):
    text = as_markdown(statement_of(configured(tmp_path)))
    assert "### 2.2 Specification of the application entity RA_NODE" in text
    assert "#### 2.2.1 Presentation contexts accepted" in text
    for block in text.split("\n\n"):
        if block.startswith("|"):
            assert len({line.count(" | ") for line in block.splitlines()}) == 1


def test_the_command_writes_a_file_or_to_standard_output(tmp_path):
    config = tmp_path / "node.toml"
    config.write_text('[node]\nae_title = "MINE"\n', encoding="utf-8")
    out = tmp_path / "statement.html"
    run = CliRunner()
    words = ["conformance", "--config", str(config)]
    assert run.invoke(app, [*words, "--format", "html", "--out", str(out)]).exit_code == 0
    assert "AE title MINE" in out.read_text(encoding="utf-8")
    said = run.invoke(app, words)
    assert said.output.startswith("# DICOM conformance statement")


def test_the_page_has_no_backticks(tmp_path):
    """Commands are code elements."""
    page = as_html(statement_of(configured(tmp_path)))
    assert "`" not in page
    assert "<code>ra-node conformance</code>" in page
