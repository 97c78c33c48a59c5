"""Logs are one event a line; what libraries quote of data sets never reaches them."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import logging, warnings
import structlog
from ra_node.runtime.log import configure_logging

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


GLUED = """
import atexit, ctypes, faulthandler, logging, os, sys, threading, warnings
import structlog
from ra_node.runtime.log import configure_logging
from ra_node.runtime.output import take_over_stdout

configure_logging("work")
take_over_stdout()
log = structlog.get_logger()
os.write(2, b"[ WARN:0] half a line")
log.info("image_analysed")
os.write(2, b" and the rest\\n\\xff\\n")
print("on standard output")
sys.stderr.write("past the log\\n")
ctypes.CDLL(None).puts(b"from C")
logging.getLogger("uvicorn.error").error("a library %s", "complains")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()

class Leaky:
    def __del__(self):
        raise ValueError("Smith^John")

Leaky()
faulthandler.dump_traceback()
atexit.register(lambda: os.write(2, b"nanobind: leaked 31 instances!\\n - leaked"))
END
"""
ENDS = {
    "the end": "",
    "an error": 'raise ValueError("Smith^John")',
    "SIGTERM": "import signal; os.kill(os.getpid(), signal.SIGTERM)",
    "SIGKILL": "import signal; os.kill(os.getpid(), signal.SIGKILL)",
    "abort": "os.abort()",
    "the group": "import signal; os.killpg(0, signal.SIGTERM)",
}


@pytest.mark.parametrize("end", list(ENDS))
def test_whatever_writes_and_however_it_ends_each_line_is_an_object(end: str):
    """After SIGTERM 31 lines of nanobind's stood glued into the log."""
    script = GLUED.replace("END", ENDS[end])
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, start_new_session=True
    )
    assert done.stdout == ""
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert "Smith" not in done.stderr
    wrote = [event["text"] for event in events if event["event"] == "library_wrote"]
    for text in (
        "[ WARN:0] half a line and the rest",
        "\\xff",
        "on standard output",
        "past the log",
        "from C",
    ):
        if text != "from C" or end == "the end":
            assert text in wrote, done.stderr
    assert any("Current thread" in text for text in wrote)
    told = {event["event"]: event for event in events}
    assert told["image_analysed"]["role"] == "work"
    assert told["library_message_logged"]["text"] == "a library complains"
    broken = [event["error"] for event in events if event["event"] == "process_crashed"]
    assert broken[:2] == ["ZeroDivisionError", "ValueError"]
    if end in ("the end", "an error"):
        assert wrote[-1] == "- leaked"
        assert len(broken) == (3 if end == "an error" else 2)


def test_a_configuration_that_is_wrong_is_an_object_too(tmp_path):
    path = tmp_path / "node.toml"
    path.write_text("[study]\nquiet = 1\n[node]\nport = -1\n", encoding="utf-8")
    for role in ("run", "listen"):
        argv = [sys.executable, "-m", "ra_node", role, "--config", str(path)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        (event,) = map(json.loads, done.stderr.splitlines())
        assert (done.returncode, event["event"]) == (3, "start_refused")
        assert "did you mean quiet_s" in event["error"]


def test_a_terminal_takes_foreign_text_for_text():
    script = (
        'from ra_node.runtime.log import configure_logging; configure_logging("listen", json=False)\n'
        'import structlog; structlog.get_logger().info("caller_refused", calling_ae="\\x1b[2J")\n'
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "\x1b[2J" not in done.stderr
    assert "\\x1b[2J" in done.stderr


JOURNAL = """
import os, sys, threading
found = os.fstat(2)
os.environ["JOURNAL_STREAM"] = f"{found.st_dev}:{found.st_ino}"
import structlog
from ra_node.runtime.log import configure_logging, set_level

configure_logging("deliver")
set_level("warning")
log = structlog.get_logger()
threads = [threading.Thread(target=getattr(log, level), args=("thing_happened",)) for level in LEVELS]
for one in threads:
    one.start()
    one.join()
os.write(2, b"from C\\n")
"""


def test_a_line_has_its_role_in_every_thread_and_its_priority_in_the_journal():
    """sd-daemon(3): "<3>" before an error. A context variable named the role in the main thread alone."""
    script = JOURNAL.replace("LEVELS", '("info", "warning", "error", "critical")')
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    assert [line[:3] for line in lines] == ["<4>", "<3>", "<2>", "<4>"]
    assert {json.loads(line[3:])["role"] for line in lines} == {"deliver"}
