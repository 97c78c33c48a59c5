"""The demo: real processes, real associations, and a phantom as patient."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread

from ra_node.dicom.overlay.secondary_capture import write_png
from ra_node.domain.result_objects import ObjectKind, class_of
from ra_node.errors import Fatal, Refused
from ra_node.network.scp.loopback_archive import LoopbackArchive
from ra_node.network.scu.c_store import OutgoingObject, PeerAddress, echo, send
from ra_node.network.status.c_store import Answer

NODE_AE, MODALITY_AE, ARCHIVE_AE = "RA_NODE", "DEMO_MODALITY", "DEMO_ARCHIVE"
MARK = ".ra-node-demo"
"""Marker file of a folder made by a demo, which the next demo may empty."""
QUIET_S = 2.0

SR, OVERLAY, OVERLAY_DETAIL = "sr", "overlay", "overlay-detail"
"""File names of the results of a study; a study without a rated hand has no second image of the overlay."""

CONFIG = """\
[node]
ae_title = "{node}"
port = {port}
data_dir = "{data_dir}"

[study]
quiet_s = {quiet_s}

[[peer]]
name = "modality"
ae_title = "{modality}"
roles = ["source"]

[[peer]]
name = "archive"
ae_title = "{archive}"
port = {archive_port}
roles = ["destination"]

[models]
bundle = "{bundle}"
"""


@dataclass(frozen=True, slots=True)
class DemoResult:
    """Output of a demo: the configuration of its node, the study, and its files."""

    title: str
    config: Path
    study_uid: str
    source: Path
    sr: Path
    overlay: Path
    picture: Path

    def files(self) -> dict[str, Path]:
        """Each file with a label."""
        return {
            "source image": self.source,
            "structured report": self.sr,
            "overlay (DICOM)": self.overlay,
            "overlay (PNG)": self.picture,
            "configuration": self.config,
        }


@dataclass(frozen=True, slots=True)
class DemoStudy:
    """One image to send, its description, and the folder of its files."""

    title: str
    image: Dataset
    folder: str = ""


def run_demo(
    out: Path, studies: Sequence[DemoStudy], bundle: Path, timeout_s: float, say: Callable[[str], None]
) -> list[DemoResult]:
    """Start a node and an archive, send the studies, and wait for the reports.

    Raises Refused with the path of the node's log without all reports in `timeout_s`.
    """
    _empty(out)
    deadline = time.monotonic() + timeout_s
    sources = [_saved(study.image, out / study.folder / "source.dcm") for study in studies]
    with LoopbackArchive(out / "archive", ae_title=ARCHIVE_AE) as archive:
        node = PeerAddress("node", NODE_AE, "127.0.0.1", _free_port(), calling_ae=MODALITY_AE)
        config = _write_config(out, bundle, node.port, archive.port)
        say("Starting the node: listen, work, deliver, schedule ...")
        with _node(config, out / "node.log"):
            _wait_for_echo(node, deadline, out / "node.log")
            say(f"Sending {len(sources)} images by C-STORE to {NODE_AE} at port {node.port} ...")
            _send(node, [study.image for study in studies], sources)
            say(f"Waiting for the reports (quiet time {QUIET_S:g} s) ...")
            wanted = {str(study.image.StudyInstanceUID) for study in studies}
            if not archive.wait_for(
                lambda kept: is_complete([one.path for one in kept], wanted), deadline - time.monotonic()
            ):
                raise Refused(f"no report within {timeout_s:g} s; see {out / 'node.log'}")
        return [
            _collected(study, config, source, archive) for study, source in zip(studies, sources, strict=True)
        ]


def _empty(out: Path) -> None:
    """Empty a folder of an earlier demo; refuse any other non-empty one."""
    if out.exists() and any(out.iterdir()) and not (out / MARK).exists():
        raise Fatal(f"{out} holds files that are not from a demo; name an empty folder with --out")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / MARK).touch()


def _saved(image: Dataset, path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    image.save_as(path, enforce_file_format=True)
    return path


def _write_config(out: Path, bundle: Path, port: int, archive_port: int) -> Path:
    config = out / "node.toml"
    text = CONFIG.format(
        node=NODE_AE,
        port=port,
        data_dir=(out / "state").resolve().as_posix(),
        quiet_s=QUIET_S,
        modality=MODALITY_AE,
        archive=ARCHIVE_AE,
        archive_port=archive_port,
        bundle=bundle.resolve().as_posix(),
    )
    config.write_text(text, encoding="utf-8")
    return config


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _node(config: Path, log: Path) -> Iterator[None]:
    with log.open("wb") as stream:
        argv = [sys.executable, "-m", "ra_node", "run", "--config", str(config)]
        process = subprocess.Popen(argv, stderr=stream, stdout=stream)  # noqa: S603 - our own command
        try:
            yield
        finally:
            process.terminate()
            process.wait()


def _wait_for_echo(node: PeerAddress, deadline: float, log: Path) -> None:
    while not echo(node).alive:
        if time.monotonic() > deadline:
            raise Refused(f"the node does not respond to C-ECHO at port {node.port}; see {log}")
        time.sleep(0.2)


def _send(node: PeerAddress, images: list[Dataset], sources: list[Path]) -> None:
    objects = [
        OutgoingObject(
            path, str(image.SOPClassUID), str(image.SOPInstanceUID), str(image.file_meta.TransferSyntaxUID)
        )
        for image, path in zip(images, sources, strict=True)
    ]
    for outcome in send(node, objects).outcomes:
        if outcome.answer is not Answer.ACCEPTED:
            raise Refused(f"expected the node to accept the study, found {outcome.detail}")


def _collected(study: DemoStudy, config: Path, source: Path, archive: LoopbackArchive) -> DemoResult:
    paths, out, study_uid = {}, source.parent, str(study.image.StudyInstanceUID)
    for kept in archive.objects:
        name, received_for = _name_and_study(kept.path)
        if received_for != study_uid:
            continue
        paths[name] = Path(shutil.copyfile(kept.path, out / f"{name}.dcm"))
    picture = out / "overlay.png"
    write_png(dcmread(paths[OVERLAY]).pixel_array, picture)
    return DemoResult(study.title, config, study_uid, source, paths[SR], paths[OVERLAY], picture)


def is_complete(received: Iterable[Path], study_uids: Collection[str]) -> bool:
    """Whether report and first image of the overlay of every study are among the received objects."""
    have = {_name_and_study(path) for path in received}
    return all((name, study) in have for name in (SR, OVERLAY) for study in study_uids)


def _name_and_study(path: Path) -> tuple[str, str]:
    """File name of a received result, and its Study Instance UID."""
    made = dcmread(path, specific_tags=["SOPClassUID", "StudyInstanceUID", "InstanceNumber"])
    study = str(made.StudyInstanceUID)
    if str(made.SOPClassUID) != class_of(ObjectKind.OVERLAY).sop_class_uid:
        return SR, study
    return (OVERLAY if int(made.InstanceNumber) == 1 else OVERLAY_DETAIL), study
