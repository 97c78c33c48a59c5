"""Nobody sees or changes anything without having signed in, and a form must come from our own page."""

import pytest

from ra_node.web.login_throttle import ALLOWED, ALLOWED_BY_NAME, FIRST_WAIT_S, LONGEST_WAIT_S, Throttle
from tests.web.conftest import browser, sign_in, token_in
from tests.web.hospital import PASSWORD, Hospital

PAGES = ("/", "/queue", "/peers", "/buried", "/model", "/studies/1.2", "/studies/1.2/1/overlay.jpg")


@pytest.mark.parametrize("path", PAGES)
def test_a_stranger_is_sent_to_the_login(busy_hospital, path):
    with browser(busy_hospital[0]) as stranger:
        answer = stranger.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


@pytest.mark.parametrize("path", ["/requeue", "/logout"])
def test_a_stranger_changes_nothing(busy_hospital, path):
    with browser(busy_hospital[0]) as stranger:
        csrf = token_in(stranger.get("/login").text)
        answer = stranger.post(path, data={"csrf": csrf, "what": "pacs"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


def test_a_page_that_refreshes_itself_leaves_as_a_whole(busy_hospital):
    with browser(busy_hospital[0]) as stranger:
        answer = stranger.get("/queue", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, "/login")


def test_the_right_password_signs_in_and_a_sign_out_ends_it(busy_hospital):
    with browser(busy_hospital[0]) as client:
        assert sign_in(client) == 303
        page = client.get("/")
        assert page.status_code == 200
        assert client.post("/logout", data={"csrf": token_in(page.text)}).status_code == 303
        assert client.get("/").status_code == 303


@pytest.mark.parametrize(
    ("name", "password"), [("night", "wrong"), ("nobody", PASSWORD), ("", ""), ("night", "")]
)
def test_a_wrong_name_and_a_wrong_password_are_answered_alike(hospital, name, password):
    with browser(hospital) as client:
        csrf = token_in(client.get("/login").text)
        answer = client.post("/login", data={"csrf": csrf, "name": name, "password": password})
        assert answer.status_code == 401
        assert "Wrong name or password" in answer.text
        assert client.get("/").status_code == 303


def test_guessing_is_slowed_down_for_the_name_where_many_addresses_guess(hospital):
    for number in range(ALLOWED_BY_NAME):
        hospital.desk.throttle.attempt(f"address 192.0.2.{number}", name="name night")
    with browser(hospital, address="127.0.0.99") as owner:
        csrf = token_in(owner.get("/login").text)
        answer = owner.post("/login", data={"csrf": csrf, "name": "night", "password": PASSWORD})
    assert answer.status_code == 429
    assert 0 < float(answer.headers["Retry-After"]) <= FIRST_WAIT_S


def test_the_wait_doubles_to_a_quarter_of_an_hour_and_the_right_password_ends_it():
    now = [0.0]
    throttle, waits = Throttle(lambda: now[0]), []
    for _ in range(ALLOWED + 12):
        assert throttle.attempt("name night") == 0
        waits.append(throttle.attempt("name night") if throttle.must_wait("name night") else 0)
        now[0] += waits[-1]
    assert waits[: ALLOWED - 1] == [0] * (ALLOWED - 1)
    assert waits[ALLOWED - 1] == FIRST_WAIT_S
    assert waits[ALLOWED] == 2 * FIRST_WAIT_S
    assert waits[-1] == LONGEST_WAIT_S
    throttle.right("name night")
    assert throttle.attempt("name night") == 0
    assert throttle.attempt("name night") == 0


def test_a_form_without_the_token_of_the_session_does_nothing(hospital):
    hospital.fail("failed")
    with browser(hospital) as client, browser(hospital) as other:
        sign_in(client)
        foreign = token_in(other.get("/login").text)
        for sent in ({}, {"csrf": ""}, {"csrf": foreign}, {"csrf": "é"}):
            assert client.post("/requeue", data={"what": "pacs", **sent}).status_code == 403
        assert client.post("/login", data={"name": "night", "password": PASSWORD}).status_code == 403


def test_a_changed_password_ends_the_sessions_that_the_old_one_began(hospital):
    with browser(hospital) as client:
        sign_in(client)
        assert client.get("/").status_code == 200
        hospital.desk.passwords.set("night", "another long password")
        assert client.get("/").status_code == 303


def test_a_session_ends_by_itself_also_where_a_page_refreshes(hospital, monkeypatch):
    import ra_node.web.auth as module

    with browser(hospital) as client:
        sign_in(client)
        later = module.time.time() + 12.5 * 3600
        monkeypatch.setattr(module.time, "time", lambda: later)
        assert client.get("/").status_code == 303


def test_a_session_that_somebody_else_wrote_is_none(hospital):
    import itsdangerous

    forged = itsdangerous.TimestampSigner("another key").sign(b"eyJ3aG8iOiAibmlnaHQifQ==").decode()
    with browser(hospital) as client:
        client.cookies.set("ra_node_session", forged)
        assert client.get("/").status_code == 303


@pytest.mark.parametrize("path", ["/", "/login", "/healthz", "/metrics", "/static/page.css", "/nothing"])
def test_every_answer_carries_the_security_headers(busy_hospital, path):
    with browser(busy_hospital[0]) as client:
        sign_in(client)
        headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


def test_no_page_holds_a_script_or_a_style_that_the_policy_would_forbid(busy_hospital):
    import re

    hospital, day = busy_hospital
    with browser(hospital) as client:
        sign_in(client)
        for path in ("/login", "/", "/queue", "/peers", "/buried", "/model", f"/studies/{day['answered']}"):
            text = client.get(path).text
            assert not re.search(
                r"\sstyle=|\son[a-z]+=|<style|<script(?! src=\"/static/)|javascript:", text
            ), path


def test_the_cookie_is_for_this_page_alone_and_over_tls_where_there_is_tls(tmp_path):
    for https in (False, True):
        (tmp_path / str(https)).mkdir()
        hospital = Hospital(tmp_path / str(https), {"https": https})
        with browser(hospital) as client:
            cookie = client.get("/login").headers["set-cookie"].lower()
            assert "httponly" in cookie
            assert "samesite=strict" in cookie
            assert ("secure" in cookie) == https
            assert ("strict-transport-security" in client.get("/login").headers) == https
        hospital.close()


def test_a_large_body_is_refused_before_it_is_read(hospital):
    with browser(hospital) as client:
        assert client.post("/login", data={"password": "x" * 20_000}).status_code == 413
        assert client.post("/login", content=(b"x" for _ in range(3))).status_code == 413


def test_a_proxy_speaks_for_its_users_and_nobody_else_does(tmp_path):
    hospital = Hospital(tmp_path, {"proxy_header": "X-Remote-User", "trusted_proxies": ["10.0.0.5/32"]})
    speaks = {"X-Remote-User": "dr.night"}
    study = hospital.fail("failed")
    with browser(hospital, address="10.0.0.5") as proxy:
        page = proxy.get("/buried", headers=speaks)
        assert page.status_code == 200
        assert "dr.night" in page.text
        assert "Sign out" not in page.text
        assert proxy.get("/").status_code == 303
        sent = {"csrf": token_in(page.text), "what": study}
        assert proxy.post("/requeue", data=sent, headers=speaks).status_code == 303
    for address in ("10.0.0.6", "127.0.0.1"):
        with browser(hospital, address=address) as liar:
            assert liar.get("/", headers={**speaks, "X-Forwarded-For": "10.0.0.5"}).status_code == 303
    hospital.close()


def test_who_and_from_where_is_noted_of_every_change(tmp_path):
    from ra_node.ledger.database.events import timeline

    hospital = Hospital(tmp_path, {"trusted_proxies": ["10.0.0.5/32"]})
    study = hospital.fail("failed")
    with browser(hospital, address="10.0.0.5") as client:
        client.headers["X-Forwarded-For"] = "192.0.2.1, 172.16.9.9"
        sign_in(client)
        csrf = token_in(client.get("/buried").text)
        client.post("/requeue", data={"csrf": csrf, "what": study, "study": study, "back": "//evil.example"})
        for nothing in ({"what": ""}, {"what": study, "study": "Smith^John"}):
            assert client.post("/requeue", data={"csrf": csrf, **nothing}).status_code == 400
    (acted,) = [event for event in timeline(hospital.state.ledger, study) if event.what == "operator_acted"]
    told = {key: acted.detail[key] for key in ("by", "address", "done", "jobs")}
    assert told == {"by": "night", "address": "172.16.9.9", "done": "requeued", "jobs": 1}
    hospital.close()


def test_after_a_change_nobody_is_sent_to_another_site(hospital):
    with browser(hospital) as client:
        sign_in(client)
        csrf = token_in(client.get("/buried").text)
        for back in ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:1"):
            answer = client.post("/requeue", data={"csrf": csrf, "what": "pacs", "back": back})
            assert answer.headers["location"] == "/"
