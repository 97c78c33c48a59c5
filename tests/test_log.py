"""Logs are one event a line; what libraries quote of data sets never reaches them."""

import json
import subprocess
import sys

SCRIPT = """
import logging, warnings
import structlog
from ra_node.log import configure_logging

configure_logging("listen")
structlog.get_logger().info("instance_stored", study_uid="1.2.3")
logging.getLogger("pydicom").warning("Invalid value for VR PN: 'Smith^John'")
logging.getLogger("pynetdicom.dsutils").error("Smith^John")
warnings.warn("Invalid value for VR PN: 'Smith^John'")
"""


def test_an_event_is_one_line_of_json_and_quotes_of_libraries_are_silenced():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    (line,) = done.stderr.splitlines()
    event = json.loads(line)
    assert event["event"] == "instance_stored"
    assert event["role"] == "listen"
    assert event["study_uid"] == "1.2.3"
