"""Before his reading is closed a reader gets no byte of another reader, of the model or of the patient."""

from __future__ import annotations

import pytest

from ra_node.domain.joints import JOINTS
from ra_node.domain.reader_study.roles import AccountRole
from ra_node.ledger.reader_studies.studies import hands_of
from tests.web.conftest import browser, sign_in
from tests.web.hospital import IDENTITY, NAME, Hospital
from tests.web.reader_studies.builders import MARKED_PATIENT, add_account, drawn_hands, make_study
from tests.web.reader_studies.conftest import reading

MODEL = (b"987654", b"0.98765", b"probability", b"threshold")
OTHER = (b"MARKEDNOTE", b"bob", b"carol")
PATIENT = (MARKED_PATIENT.encode(), NAME.encode(), IDENTITY.encode())
OPERATOR = ("/queue", "/peers", "/buried", "/model", "/studies/1.2", "/studies/1.2/1/overlay.jpg")
LEAD = ("/reader-studies", "/reader-studies/new")


def crafted(study: str, theirs: list[str], elsewhere: str) -> list[str]:
    """Addresses that reader A would try, on everything that is not hers."""
    part = [f"/reading/{study}{sub}/tasks/{task}{end}" for task in theirs for sub in ("", "/discrepancies")
            for end in ("", "/picture")]  # fmt: skip
    part += [f"/reading/{study}/opinion/{task}" for task in theirs]
    part += [f"/reading/{study}/discrepancies/{end}" for end in ("next", "hands/1")]
    part += [f"/reading/{study}/{end}" for end in ("adjudicate", "hands/0", "hands/99", "read?hand=2")]
    part += [f"/reading/{elsewhere}{end}" for end in ("", "/read", "/next", "/hands/1", "/adjudicate")]
    return [*part, "/", "/reading", "/guide", "/session", "/metrics", "/login", "/nothing", *OPERATOR, *LEAD]


def test_all_traffic_of_one_reader_holds_nothing_of_the_other_of_the_model_or_of_the_patient(
    reading_hospital,
):
    """Bob has read all with marked words; alice then asks for everything that exists, also by his ids."""
    hospital = reading_hospital
    study = make_study(hospital, drawn_hands(3, 60, 44), name="blinded", reveal=True)
    elsewhere = make_study(hospital, drawn_hands(1, 60, 44), name="other study", readers=("carol", "bob"))
    theirs = []
    with reading(hospital, study, "bob") as bob:
        while (task := bob.next(after=len(theirs))) is not None and len(theirs) < 3:
            theirs.append(task["id"])
            said = {"kind": "not_gradable", "reason": "metal_or_cast", "note": "MARKEDNOTE"}
            assert bob.act(task, [said | {"joint": joint} for joint in JOINTS]).status_code == 200
        stolen = bob.client.cookies["ra_node_session"]
    with hospital.state.ledger.read() as connection:
        hand_ids = [hand.hand_id for hand in hands_of(connection, study)]
    with reading(hospital, study, "alice") as alice:
        for after in (0, 1, 2):
            task = alice.next(after=after)
            alice.get(task["picture"])
            alice.act(task, [{"kind": "stage", "joint": "mcp_2", "stage": 1}])
        for task in theirs:
            own = {"id": task, "kind": "reading", "sequence": 0}
            assert alice.act(own, [{"kind": "stage", "joint": "mcp_2", "stage": 1}]).status_code == 404
        for path in crafted(study, [*theirs, *hand_ids], elsewhere):
            answer = alice.get(path)
            assert answer.status_code != 500, path
        alice.end("close")
        heard = b"\n".join(alice.heard)
    with browser(hospital) as thief:
        thief.cookies.set("ra_node_session", stolen[:-4] + "AAAA")
        assert thief.get("/reading").status_code == 303
    for marked in (*MODEL, *OTHER, *PATIENT, *(one.encode() for one in theirs), *map(str.encode, hand_ids)):
        assert marked not in heard, marked


def test_a_task_of_somebody_else_is_answered_as_one_that_does_not_exist(ward):
    hospital, study = ward
    with reading(hospital, study, "bob") as bob:
        theirs = bob.next()["id"]
    with reading(hospital, study, "alice") as alice:
        for end in ("", "/picture"):
            known, unknown = (alice.get(f"/reading/{study}/tasks/{task}{end}") for task in (theirs, "0" * 32))
            assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
            assert known.status_code == 404
        assert alice.get("/reading/no-such-study").status_code == 404


@pytest.mark.parametrize("path", ["/", *OPERATOR, *LEAD])
def test_a_reader_sees_no_page_of_operators_or_leads(ward, path):
    hospital, study = ward
    with reading(hospital, study, "alice") as alice:
        answer = alice.get(path)
        assert answer.status_code == 303 if path == "/" else answer.status_code == 403
        assert "/queue" not in answer.text


def test_an_operator_and_a_lead_see_no_marks(ward):
    hospital, study = ward
    for name in ("night", "chief"):
        with browser(hospital) as client:
            sign_in(client, name)
            for path in ("/reading", f"/reading/{study}", f"/reading/{study}/read", f"/reading/{study}/next"):
                assert client.get(path).status_code == 403, path
    with browser(hospital) as client:
        sign_in(client, "night")
        assert client.get("/reader-studies").status_code == 403


def test_the_pages_of_a_reader_are_closed_to_strangers(ward):
    hospital, study = ward
    with browser(hospital) as stranger:
        assert stranger.get("/reading").headers["location"] == "/login"
        assert stranger.get(f"/reading/{study}/next").status_code == 401
        assert stranger.get(f"/reading/{study}/tasks/1/picture").status_code == 401
        assert stranger.post(f"/reading/{study}/tasks/1/actions", json={}).status_code == 401


def test_the_site_proxy_names_a_reader_who_is_then_only_a_reader(tmp_path):
    hospital = Hospital(tmp_path, {"proxy_header": "X-Remote-User", "trusted_proxies": ["10.0.0.5/32"]})
    add_account(hospital, "dr.a", AccountRole.READER)
    with browser(hospital, address="10.0.0.5") as client:
        headers = {"X-Remote-User": "dr.a"}
        assert client.get("/reading", headers=headers).status_code == 200
        assert client.get("/queue", headers=headers).status_code == 403
        assert client.get("/metrics", headers=headers).status_code == 403
    hospital.close()
