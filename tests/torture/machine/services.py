"""What systemd does with the node's units on a running machine, one promise a function."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.conftest import wait_until
from tests.torture.machine.debian import Machine
from tests.torture.machine.site import Site

ROLES = ("listen", "work", "deliver", "schedule")
ALIVE_S = 240
Row = tuple[str, str, bool]


def unit(role: str) -> str:
    return f"ra-node-{role}.service"


def main_pid(machine: Machine, role: str) -> int:
    """The process of a role, 0 while there is none."""
    return int(machine.show(unit(role), "MainPID"))


def active(machine: Machine) -> Row:
    """Every role has said READY=1."""
    found = {role: machine.show(unit(role), "ActiveState") for role in ROLES}
    return ("all units are active", json.dumps(found), set(found.values()) == {"active"})


def killed(machine: Machine, site: Site, seed: int) -> Row:
    """`kill -9` of worker and listener with a study in flight: both come back, the study is answered."""
    before = {role: main_pid(machine, role) for role in ("work", "listen")}
    study = site.send(seed)
    machine.text(f"kill -9 {before['work']} {before['listen']}")
    for role, old in before.items():
        wait_until(
            lambda role=role, old=old: main_pid(machine, role) not in (0, old), f"{role} to be restarted"
        )
    answers = site.wait_for_answers(study)
    restarts = {role: machine.show(unit(role), "NRestarts") for role in before}
    return (
        "kill -9 of work and listen, study in flight",
        f"restarts {json.dumps(restarts)}; the PACS has {answers}",
        set(answers) >= {"SR"},
    )


def hang(machine: Machine, role: str = "listen") -> int:
    """Stop a role as a hanging process would be; returns its process."""
    pid = main_pid(machine, role)
    machine.text(f"kill -STOP {pid}")
    return pid


def watchdog(machine: Machine, site: Site, hung: int, seed: int, role: str = "listen") -> Row:
    """The unit's own WatchdogSec= ends what hangs; a new process is ready and receives."""
    wait_until(lambda: main_pid(machine, role) not in (0, hung), f"the watchdog to replace {role}", ALIVE_S)
    wait_until(site.listens, "the node to answer C-ECHO", ALIVE_S)
    said = machine.text(f"journalctl -q -u {unit(role)} --no-pager -o cat | grep -i watchdog | tail -1")
    answers = site.wait_for_answers(site.send(seed))
    return (
        f"SIGSTOP of {role}",
        f"{said}; the next study: {answers}",
        "atchdog" in said and len(answers) > 1,
    )


def credentials(machine: Machine) -> list[Row]:
    """The TLS key is root's; the services hold copies, which another account cannot read."""
    key = "/etc/ra-node/secrets/key.pem"
    own = machine.run(f"runuser -u ra-node -- cat {key}")
    handed = "/run/credentials/ra-node-listen.service"
    names = machine.text(f"ls {handed}")
    other = machine.run(f"runuser -u nobody -- ls {handed}")
    return [
        ("the account cannot read the secrets folder", own.stderr.strip(), own.returncode != 0),
        ("systemd hands the key to the service", names, "key.pem" in names),
        ("another account cannot read the copy", other.stderr.strip(), other.returncode != 0),
    ]


def sandbox(machine: Machine) -> list[Row]:
    """From inside of each running process: no rights, no new ones, no writing, and for work no network."""
    rows: list[Row] = []
    for role in ROLES:
        pid = main_pid(machine, role)
        status = machine.text(f"cat /proc/{pid}/status")
        keys = dict(re.findall(r"^(CapEff|NoNewPrivs|Seccomp|Uid):\s+(\S+)", status, re.MULTILINE))
        held = int(keys["CapEff"], 16) == 0 and keys["NoNewPrivs"] == "1" and keys["Seccomp"] == "2"
        inside = f"nsenter -t {pid} -m -n sh -c"
        wrote = machine.run(f"{inside} 'touch /usr/x /etc/x /opt/ra-node/x'")
        refused = wrote.stderr.count("Read-only file system") == 3
        links = machine.text(f"{inside} 'cat /proc/net/dev'").count(":") if role == "work" else None
        alone = role != "work" or machine.text(f"readlink /proc/{pid}/ns/net") != machine.text(
            "readlink /proc/1/ns/net"
        )
        network = f", {links} network link, a name space of its own: {alone}" if role == "work" else ""
        found = f"{json.dumps(keys)}, read-only: {refused}{network}"
        rows.append((f"sandbox of {role}", found, held and refused and alone and keys["Uid"] != "0"))
    return rows


def journal(machine: Machine) -> list[Row]:
    """Each role's lines are JSON with priority, unit and role; no line holds the patient's name."""
    raw = machine.text("journalctl -q --no-pager -o json _SYSTEMD_UNIT=ra-node-listen.service | tail -400")
    lines = [json.loads(line) for line in raw.splitlines()]
    own = []
    for line in lines:
        try:
            own.append((line, json.loads(line["MESSAGE"])))
        except ValueError:
            continue
    fields = {key for line, _ in own for key in ("PRIORITY", "_SYSTEMD_UNIT", "_UID") if key in line}
    priorities = sorted({line["PRIORITY"] for line, _ in own})
    whole = bool(own) and all({"event", "role"} <= set(said) for _, said in own)
    stored = any(said["event"] == "instance_stored" for _, said in own)
    return [
        (
            "journald fields",
            f"{len(own)} of {len(lines)} lines JSON, {sorted(fields)}, priorities {priorities}",
            whole and len(fields) == 3,
        ),
        ("events have names and roles", f"{sorted({s['event'] for _, s in own})}"[:110], stored),
    ]


def stopped(machine: Machine) -> Row:
    """`systemctl stop ra-node.target` returns when no process is left."""
    machine.text("systemctl stop ra-node.target", timeout_s=180)
    left = machine.run("stat -c %U /proc/[0-9]* 2>/dev/null | grep -c '^ra-node$'").stdout.strip()
    return ("systemctl stop ra-node.target waits", f"processes left: {left}", left == "0")


def size_mib(root: Path, within: str) -> float:
    """MiB on the disk of a folder of the machine."""
    total = sum(
        path.lstat().st_size
        for path in (root / within).rglob("*")
        if path.is_file() and not path.is_symlink()
    )
    return float(total / 2**20)
