"""Fetches a study from a DICOMweb server by WADO-RS (PS3.18 10.4), without conversion."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import IO, TYPE_CHECKING

import httpx
from httpx import codes
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser

from ra_node.errors import Fatal, Refused, Retryable

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

AS_IT_IS = 'multipart/related; type="application/dicom"; transfer-syntax=*'
"""PS3.18 8.7.3.5.2: without it a server converts to explicit little endian."""
TIMEOUT_S = 60.0
_CONTENT_TYPES = frozenset(
    {"application/dicom", "application/dicom+json", "application/json", "application/xml",
     "multipart/related", "text/html", "text/plain"}
)  # fmt: skip
"""What is quoted of a response; anything else is the server's own text."""
REFUSED = frozenset({401, 403, 407})
ABSENT = frozenset({404, 410})


@dataclass(frozen=True, slots=True)
class Server:
    """A DICOMweb server: `url` is the base of the service, e.g. https://pacs/dicom-web.

    `token` is sent as bearer token; without it name and password are taken from ~/.netrc. Trusted certificate
    authorities are those of the system, or of SSL_CERT_FILE.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    timeout_s: float = TIMEOUT_S

    def __post_init__(self) -> None:
        try:
            parts = httpx.URL(self.url)
        except httpx.InvalidURL:
            raise Refused("expected the URL of a DICOMweb service, found none that can be read") from None
        if parts.scheme not in ("http", "https") or not parts.host:
            raise Refused(f"expected the URL of a DICOMweb service, found {parts.scheme or 'no scheme'}")
        if parts.userinfo or parts.query:
            raise Fatal(
                "expected a URL without a password: every user of this machine can see it; use ~/.netrc"
            )


def get_study(server: Server, study_uid: str, folder: Path) -> int:
    """Store every instance of a study in `folder` as Part-10 files; return their number.

    Memory holds at most a chunk of one instance. Raises Refused where the server has no such study or its
    response is invalid, Fatal where it denies access, Retryable where it cannot be reached or the response is
    cut off, OSError of our own disk.
    """
    parts = _Parts(folder)
    try:
        with _answer(server, study_uid) as answer:
            parser = MultipartParser(_boundary(answer), parts.callbacks())
            for piece in answer.iter_bytes():
                parser.write(piece)
    except httpx.TransportError as error:
        raise Retryable(f"{_where(server)} cannot be reached: {type(error).__name__}") from error
    except MultipartParseError as error:
        raise Refused(f"expected a multipart response from {_where(server)}, found a broken one") from error
    finally:
        parts.close()
    if not parts.ended:
        raise Retryable(f"{_where(server)} broke off after {parts.count} instances")
    return parts.count


@contextmanager
def _answer(server: Server, study_uid: str) -> Iterator[httpx.Response]:
    headers = {"Accept": AS_IT_IS, **({"Authorization": f"Bearer {server.token}"} if server.token else {})}
    auth = None if server.token else _netrc()
    url = f"{server.url.rstrip('/')}/studies/{study_uid}"
    with (
        httpx.Client(timeout=server.timeout_s, headers=headers, auth=auth) as client,
        client.stream("GET", url) as answer,
    ):
        _expect_study(answer, server)
        yield answer


def _netrc() -> httpx.NetRCAuth | None:
    return httpx.NetRCAuth() if (Path.home() / ".netrc").exists() else None


def _expect_study(answer: httpx.Response, server: Server) -> None:
    code = answer.status_code
    said = f"{_where(server)} responds {code} {codes.get_reason_phrase(code)}".rstrip()
    if code in REFUSED:
        raise Fatal(f"{said}; name a token with --token-file, or the account in ~/.netrc")
    if code in ABSENT:
        raise Refused(f"{said}: it has no such study")
    if code >= 500 or code == 429:
        raise Retryable(said)
    if code != 200:
        raise Refused(f"{said}, expected 200")


def _boundary(answer: httpx.Response) -> str:
    header = Message()
    header["Content-Type"] = answer.headers.get("Content-Type", "")
    boundary = header.get_boundary()
    if header.get_content_type() != "multipart/related" or not boundary:
        found = header.get_content_type()
        known = found if found in _CONTENT_TYPES else "another type"
        raise Refused(f"expected multipart/related, found {known}")
    return boundary


def _where(server: Server) -> str:
    url = httpx.URL(server.url)
    return f"{url.host}:{url.port}" if url.port else url.host


class _Parts:
    """Writes the parts of a multipart response to files as they arrive."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0
        self.ended = False
        self._file: IO[bytes] | None = None

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_part_data": self._data,
            "on_part_end": self.close,
            "on_end": self._end,
        }

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin(self) -> None:
        self.count += 1
        self._file = (self.folder / f"{self.count:06}.dcm").open("wb")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(data[start:end])

    def _end(self) -> None:
        self.ended = True
