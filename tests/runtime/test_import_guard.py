"""The listener carries no decoders, and loses nothing by it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from training.phantom.study import ImageRecipe, wrap

BEGIN = """
import sys
from pathlib import Path
from ra_node.cli import app

class Begun(Exception):
    pass

def settings(_config):
    import ra_node.services.reception.ingest
    import ra_node.network.scp.server
    raise Begun

app.named_settings = settings
try:
    app.listen(Path("node.toml"))
except Begun:
    pass
"""
LOADED = """
loaded = {name.partition(".")[0] for name, module in sys.modules.items() if module is not None}
print(*sorted(loaded & {"pydicom", "pynetdicom", "gdcm", "_gdcm", "jpeg_ls", "PIL", "requests", "torch"}))
"""
READ = """
from ra_node.dicom.reading.instance_equality import same_pixels
from ra_node.dicom.reading.file import read_header
print(read_header(Path(sys.argv[1])).rows, same_pixels(Path(sys.argv[1]), Path(sys.argv[1])))
"""


def begun(then: str, *arguments: str) -> str:
    """What a process prints that has imported all of the command `listen` and then does more."""
    argv = [sys.executable, "-c", BEGIN + then, *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def test_the_command_listen_loads_no_decoder():
    """pydicom imports every decoder that it finds, and GDCM alone takes 29 MiB."""
    assert begun(LOADED) == "pydicom pynetdicom"


def test_headers_are_read_and_resent_pixels_compared_without_them(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 4096, (32, 48)).astype(np.uint16)
    wrap(pixels, ImageRecipe("lean"), white=4095).save_as(tmp_path / "one.dcm", enforce_file_format=True)
    assert begun(READ, str(tmp_path / "one.dcm")) == "32 True"
