"""Prometheus accepts our rules, they do what they say, and they ask only for metrics that there are."""

import json
import re
import subprocess

from tests.conftest import REPOSITORY, find_tool
from tests.web.conftest import browser

FOLDER = REPOSITORY / "config" / "monitoring"
RULES, DASHBOARD = FOLDER / "rules.yml", FOLDER / "dashboard.json"


def promtool(*words):
    argv = [find_tool("promtool"), *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)


def test_prometheus_accepts_the_rules():
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", str(RULES))
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alarm_rings_when_it_must_and_not_before():
    done = promtool("test", "rules", str(REPOSITORY / "tests" / "web" / "rules_test.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alarm_says_how_urgent_it_is_and_what_to_do():
    text = RULES.read_text()
    alarms = text.count("- alert: ")
    assert alarms > 10
    for part in ("severity: ", "summary: ", "action: "):
        assert text.count(part) == alarms
    tested = (REPOSITORY / "tests" / "web" / "rules_test.yml").read_text()
    for name in re.findall(r"- alert: (\w+)", text):
        assert re.search(rf"alertname: {name}\n\s+exp_alerts", tested), name


def test_rules_and_dashboard_ask_for_metrics_that_there_are(busy_hospital):
    hospital = busy_hospital[0]
    hospital.desk.follower.catch_up()
    with hospital.working(), browser(hospital) as prometheus:
        given = prometheus.get("/metrics").text
    known = set(re.findall(r"^(?:# HELP )?(ra_node_\w+?)(?:\{| )", given, re.MULTILINE))
    known |= {"ra_node_certificate_expires_timestamp_seconds"}  # only where [tls] names one
    asked = set(re.findall(r"ra_node_\w+", RULES.read_text() + DASHBOARD.read_text()))
    assert asked - known == set()


def test_the_dashboard_is_whole():
    board = json.loads(DASHBOARD.read_text())
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 10
    for panel in panels:
        assert panel["title"]
        assert panel["description"]
        assert all(target["expr"] for target in panel["targets"])
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24


def test_prometheus_understands_every_question_of_the_dashboard(tmp_path):
    """As recording rules, which promtool can check; the dashboard's variable stands for any node."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    questions = [target["expr"].replace("$instance", ".*") for panel in panels for target in panel["targets"]]
    rules = [{"record": f"asked:{number}", "expr": expr} for number, expr in enumerate(questions)]
    path = tmp_path / "asked.yml"
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = promtool("check", "rules", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
