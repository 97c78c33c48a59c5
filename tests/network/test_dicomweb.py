"""A study comes from a DICOMweb server byte for byte, or not at all with the reason."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ra_node.errors import Fatal, Refused, Retryable
from ra_node.network.dicomweb import Server, get_study

PARTS = (b"one\r\n--not the boundary\r\n" * 1000, bytes(range(256)) * 300)


class Answers(BaseHTTPRequestHandler):
    """Answers as the test says, and remembers what it was asked."""

    status, kind, body = 200, 'multipart/related; type="application/dicom"; boundary="b 1"', b""
    claimed: int | None = None
    asked: dict[str, str]

    def do_GET(self) -> None:
        type(self).asked = {
            "path": self.path,
            **{name.lower(): value for name, value in self.headers.items()},
        }
        self.send_response(self.status)
        self.send_header("Content-Type", self.kind)
        self.send_header("Content-Length", str(self.claimed or len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def answers() -> Iterator[type[Answers]]:
    made = type("Given", (Answers,), {"body": multipart(*PARTS)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), made)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}/dicom-web/"
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def multipart(*parts: bytes) -> bytes:
    heads = [b"\r\n--b 1\r\nContent-Type: application/dicom\r\n\r\n" + part for part in parts]
    return b"".join(heads) + b"\r\n--b 1--\r\n"


def test_every_part_is_a_file_with_its_own_bytes(answers, tmp_path):
    assert get_study(Server(answers.url), "1.2.3", tmp_path) == 2
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == list(PARTS)
    assert answers.asked["path"] == "/dicom-web/studies/1.2.3"
    assert "transfer-syntax=*" in answers.asked["accept"]


def test_the_token_goes_with_the_question(answers, tmp_path):
    get_study(Server(answers.url, "secret"), "1.2.3", tmp_path)
    assert answers.asked["authorization"] == "Bearer secret"
    assert "secret" not in repr(Server(answers.url, "secret"))


@pytest.mark.parametrize(
    ("status", "error"), [(404, Refused), (401, Fatal), (403, Fatal), (503, Retryable), (400, Refused)]
)
def test_each_status_says_what_to_do_next(answers, tmp_path, status, error):
    answers.status = status
    with pytest.raises(error, match=str(status)):
        get_study(Server(answers.url), "1.2.3", tmp_path)


def test_an_answer_that_breaks_off_is_tried_again(answers, tmp_path):
    answers.claimed = len(answers.body)
    answers.body = answers.body[:-40]
    with pytest.raises(Retryable):
        get_study(Server(answers.url), "1.2.3", tmp_path)


def test_an_answer_without_its_end_is_not_whole(answers, tmp_path):
    answers.body = answers.body[:-20]
    with pytest.raises(Retryable, match="broke off"):
        get_study(Server(answers.url), "1.2.3", tmp_path)


def test_a_page_for_people_is_no_study(answers, tmp_path):
    answers.kind, answers.body = "text/html", b"<h1>Sign in</h1>"
    with pytest.raises(Refused, match="found text/html"):
        get_study(Server(answers.url), "1.2.3", tmp_path)


def test_a_server_that_is_away_is_tried_again(answers, tmp_path):
    with pytest.raises(Retryable, match="cannot be reached"):
        get_study(Server("http://127.0.0.1:1/dicom-web", timeout_s=60), "1.2.3", tmp_path)


def test_a_password_in_the_url_is_refused():
    with pytest.raises(Fatal, match="netrc"):
        Server("https://me:secret@pacs/dicom-web")
