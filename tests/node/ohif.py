"""OHIF before a real Orthanc in a headless browser: what a radiologist has on the screen."""

from __future__ import annotations

import http.client
import io
import mimetypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.conftest import REPOSITORY, absent, wait_until

DIST = REPOSITORY / ".peers" / "ohif"
CHROMIUM = Path("/usr/bin/chromium")
DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
PATIENCE_MS = 180_000
"""A limit, not a pace: every wait ends with its condition."""

CONFIG = """window.config = {
  routerBasename: '/', extensions: [], modes: [], customizationService: {}, showStudyList: true,
  maxNumberOfWebWorkers: 1, investigationalUseDialog: { option: 'never' },
  maxNumRequests: { interaction: 20, thumbnail: 5, prefetch: 1 }, defaultDataSourceName: 'dicomweb',
  dataSources: [{ namespace: '@ohif/extension-default.dataSourcesModule.dicomweb', sourceName: 'dicomweb',
    configuration: { friendlyName: 'PACS', name: 'pacs', wadoUriRoot: '/wado', qidoRoot: '/dicom-web',
      wadoRoot: '/dicom-web', qidoSupportsIncludeField: false, imageRendering: 'wadors',
      thumbnailRendering: 'wadors', enableStudyLazyLoad: true, supportsFuzzyMatching: false,
      supportsWildcard: true, staticWado: true, singlepart: 'bulkdata,video',
      omitQuotationForMultipartRequest: true,
      bulkDataURI: { enabled: true, relativeResolution: 'studies' } } }],
};"""

TOURS = "window.localStorage.setItem('shownTours', JSON.stringify(['basicViewerTour']));"
"""The viewer's greeting would lie over the image."""

REPORT = "RA AI"
OVERLAY = "AI result - not verified"
IMAGE = "Hand PA"
"""How the series of a study begin their descriptions."""

THUMBNAIL = '[data-cy^="study-browser-thumbnail"]'
PANE = "[data-cy=viewport-pane]"

RESET_VIEW = "Space"
"""The viewer's key that fits the image and draws it again with all that lies on it."""

FRAME = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""Fulfilled when what was to be drawn is drawn."""

FLAGS = ("--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
"""WebGL without a graphics card."""


def find_viewer() -> Path:
    """The folder of the viewer's pages; a skip with its reason where viewer or browser are absent."""
    if not (DIST / "index.html").exists():
        absent(f"the OHIF viewer is not in {DIST.relative_to(REPOSITORY)}; `make peers` puts it there")
    if not CHROMIUM.exists():
        absent("the browser chromium is not installed")
    if not DICOMWEB.exists():
        absent("the plugin orthanc-dicomweb is not installed")
    return DIST


class _Handler(BaseHTTPRequestHandler):
    """Gives the viewer's own files, and everything else from the PACS, as one origin."""

    protocol_version = "HTTP/1.1"
    timeout = 30

    def __init__(self, dist: Path, pacs_port: int, *args: Any) -> None:
        self._dist, self._pacs_port = dist, pacs_port
        super().__init__(*args)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        pass

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if path.startswith(("/dicom-web", "/wado")):
            self._ask_pacs(None)
        elif path == "/app-config.js":
            self._answer(200, CONFIG.encode(), "text/javascript")
        else:
            file = self._dist / path.lstrip("/")
            file = file if file.is_file() else self._dist / "index.html"
            kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
            self._answer(200, file.read_bytes(), kind)

    def do_POST(self) -> None:
        self._ask_pacs(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _ask_pacs(self, body: bytes | None) -> None:
        told = ("accept", "content-type")
        kept = {name: value for name, value in self.headers.items() if name.lower() in told}
        kept["Host"] = self.headers["Host"]  # the PACS writes its links with it
        pacs = http.client.HTTPConnection("127.0.0.1", self._pacs_port, timeout=PATIENCE_MS / 1000)
        try:
            pacs.request(self.command, self.path, body, kept)
            answer = pacs.getresponse()
            kind = answer.getheader("Content-Type", "application/octet-stream")
            self._answer(answer.status, answer.read(), kind)
        finally:
            pacs.close()

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
            self.end_headers()
            self.wfile.write(body)
        except OSError:  # the browser wants it no more
            self.close_connection = True


@contextmanager
def serving(dist: Path, pacs_port: int) -> Iterator[str]:
    """Serve the viewer before a PACS; gives its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, dist, pacs_port))
    server.daemon_threads = False  # joined at the end, so that no socket outlives the test
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def browsing() -> Iterator[Page]:
    """One page of a headless browser, without the viewer's greeting."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=list(FLAGS), timeout=PATIENCE_MS
        )
        try:
            page = browser.new_page(viewport={"width": 1600, "height": 1000})
            page.set_default_timeout(PATIENCE_MS)
            page.add_init_script(TOURS)
            yield page
        finally:
            browser.close()


@dataclass
class Viewer:
    """The viewer with one study open at a time, as its user sees it."""

    page: Page
    address: str

    def open(self, study_uid: str) -> None:
        """Open a study and wait until its series are listed."""
        self.page.goto(f"{self.address}/viewer?StudyInstanceUIDs={study_uid}", wait_until="domcontentloaded")
        for words in (REPORT, OVERLAY):
            self.page.locator(THUMBNAIL, has_text=words).wait_for()

    def show(self, words: str) -> None:
        """Put the series whose description begins with `words` into the viewport, a report with outlines."""
        self.page.locator(THUMBNAIL, has_text=words).dblclick()
        self.page.locator(PANE, has_text="SR" if words == REPORT else words).wait_for()
        if words == REPORT:
            self.outlines()  # words alone would wait for a drawing that nobody brings about

    def outlines(self) -> int:
        """How many outlines the report has drawn, once there is one.

        Where the image is on the screen before the viewer has noted which report it shows, the outlines
        wait for the next drawing, which only the user brings about: so this resets the view.
        """
        lines = self.page.locator(f"{PANE} svg polyline")

        def drawn() -> int:
            if lines.count() == 0:
                self.page.keyboard.press(RESET_VIEW)
                self.page.evaluate(FRAME)
            return lines.count()

        return int(wait_until(drawn, "an outline", PATIENCE_MS / 1000))

    def labels(self) -> list[str]:
        """The words beside the outlines."""
        return sorted(self.page.locator(f"{PANE} g[data-annotation-uid] text").all_text_contents())

    def picture(self) -> NDArray[np.uint8]:
        """What the viewport shows (rows, columns), as grey."""
        with Image.open(io.BytesIO(self.page.locator(PANE).screenshot())) as shot:
            return np.asarray(shot.convert("L"))


def fitted(picture: NDArray[np.uint8], rows: int, columns: int) -> NDArray[np.uint8]:
    """A picture (rows, columns, 3) as a viewer fits it into its viewport: whole, in the middle, on black."""
    scale = min(rows / picture.shape[0], columns / picture.shape[1])
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    canvas = Image.new("L", (columns, rows))
    place = ((columns - size[0]) // 2, (rows - size[1]) // 2)
    canvas.paste(Image.fromarray(picture).convert("L").resize(size, Image.Resampling.BOX), place)
    return np.asarray(canvas)


def likeness(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """The correlation of two grey pictures of one size; 1 for the same."""
    if min(one.std(), other.std()) == 0:
        return 0.0
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])
