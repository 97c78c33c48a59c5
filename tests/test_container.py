"""The container recipe fits the repository, and keeps the rules that make an image safe to run."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from ra_node.cli.app import app
from ra_node.settings.node import settings_from
from tests.node.harness import REPOSITORY

FOLDER = REPOSITORY / "config" / "container"
TEXT = re.sub(r"\\\n", " ", (FOLDER / "Containerfile").read_text(encoding="utf-8"))
STAGES = {
    part.partition("AS ")[2].split()[0]: [line for line in part.splitlines() if not line.startswith("#")]
    for part in re.split(r"\n(?=FROM )", TEXT)[1:]
}


def plain(text: str) -> Any:
    """A flow sequence or mapping of bare words, or a scalar."""
    if text[:1] not in "[{":
        return {"true": True, "false": False}.get(text, text.strip('"'))
    words = re.sub(r'(?<=[\[{,: ])([^\s"\[\]{},:][^\s"\[\]{},:]*)', r'"\1"', re.sub(r'"[^"]*"', _kept, text))
    return json.loads(words.replace('"true"', "true").replace("\x00", ":"))


def _kept(found: re.Match[str]) -> str:
    """A quoted word without its quotes; its colons are no separators."""
    return found.group()[1:-1].replace(":", "\x00")


def read_yaml(lines: list[str]) -> Any:
    """The subset of YAML that the set is written in: nested mappings, sequences of scalars, flow style."""
    if lines and lines[0].lstrip().startswith("- "):
        return [plain(line.strip().removeprefix("- ")) for line in lines]
    found: dict[str, Any] = {}
    while lines:
        depth = len(lines[0]) - len(lines[0].lstrip())
        key, _, value = lines.pop(0).strip().partition(":")
        below = []
        while lines and len(lines[0]) - len(lines[0].lstrip()) > depth:
            below.append(lines.pop(0))
        found[key] = plain(value.strip()) if value.strip() else read_yaml(below)
    return found


COMPOSE = read_yaml(
    [
        line
        for line in (FOLDER / "compose.yaml").read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.strip().startswith("#")
    ]
)
SERVICES = COMPOSE["services"]
MAKE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")


def instructions(stage: str, name: str) -> list[str]:
    """The arguments of every instruction of this name in a stage, options left out."""
    found = [line.partition(" ")[2].strip() for line in STAGES[stage] if line.startswith(f"{name} ")]
    return [re.sub(r"^(--\S+ +)+", "", one) for one in found]


def test_every_stage_is_built_by_the_makefile_and_run_by_the_set():
    (images,) = re.findall(r"^IMAGES \?= (.*)$", MAKE, re.MULTILINE)
    assert set(images.split()) == set(STAGES) == set(SERVICES)
    for name, service in SERVICES.items():
        image = "ra-node" if name == "node" else f"ra-node-{name}"
        assert service["image"] == f"localhost/{image}:latest"


@pytest.mark.parametrize("stage", STAGES)
def test_an_image_runs_without_root_with_a_signal_and_an_exec_form(stage: str):
    """The shell form would keep SIGTERM from the program."""
    (user,) = instructions(stage, "USER")
    assert user.partition(":")[0] not in ("root", "0")
    assert instructions(stage, "STOPSIGNAL")
    (entry,) = instructions(stage, "ENTRYPOINT")
    assert json.loads(entry)
    assert STAGES[stage][0] == f"FROM ${{BASE}} AS {stage}"


@pytest.mark.parametrize("stage", STAGES)
def test_package_lists_are_fetched_and_removed_in_the_same_layer(stage: str):
    for run in instructions(stage, "RUN"):
        if "apt-get" in run:
            assert re.search(
                r"update +&& apt-get install -y --no-install-recommends .*rm -rf /var/lib/apt/lists", run
            )
        assert "sudo" not in run
    assert not instructions(stage, "ADD")


@pytest.mark.parametrize("stage", STAGES)
def test_what_is_copied_is_in_the_context_that_the_makefile_makes(stage: str):
    for copy in instructions(stage, "COPY"):
        for source in shlex.split(copy)[:-1]:
            top, _, rest = source.rstrip("/").partition("/")
            assert f"$(CONTAINER)/{top}" in MAKE
            assert top != "set" or (FOLDER / rest).is_file()


def test_packages_are_installed_by_the_locks_with_their_hashes():
    (run,) = [one for one in instructions("node", "RUN") if "pip install" in one]
    installs = re.findall(r"pip install ([^;]*);", run)
    assert all("--require-hashes" in one or "ra_node-*.whl" in one for one in installs)
    assert "://" not in TEXT
    assert (REPOSITORY / "config" / "locks" / "node.lock").exists()


def test_the_command_and_the_health_check_are_commands_of_the_node():
    commands = set(get_command(app).commands)
    health = re.search(r"^HEALTHCHECK .*CMD (\[.*\])$", TEXT, re.MULTILINE)
    assert health is not None
    program, check = json.loads(health.group(1))
    (entry,), (command,) = instructions("node", "ENTRYPOINT"), instructions("node", "CMD")
    assert json.loads(entry) == [program] == ["ra-node"]
    assert {check, *json.loads(command)} <= commands
    assert SERVICES["node"]["healthcheck"]["test"] == ["CMD", program, check]


def test_the_configuration_of_the_set_is_valid_and_names_its_services():
    settings = settings_from(tomllib.loads((FOLDER / "node.toml").read_text()), base=Path("/etc/ra-node"))
    archive = json.loads((FOLDER / "orthanc.json").read_text())
    assert settings.node.data_dir == Path(instructions("node", "VOLUME")[0])
    assert str(settings.node.port) in instructions("node", "EXPOSE")
    assert settings.models.bundle == Path("/etc/ra-node/bundles/demo")
    (peer,) = settings.peer
    assert peer.host in SERVICES
    assert (peer.ae_title, peer.port) == (archive["DicomAet"], archive["DicomPort"])
    back = archive["DicomModalities"]["ra-node"]
    assert (back["Host"], back["AET"], back["Port"]) == ("node", settings.node.ae_title, settings.node.port)
    assert "@postgres/ra_node" in settings.ledger_url
    assert "http://orthanc:" + str(archive["HttpPort"]) in (FOLDER / "nginx.conf").read_text()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_a_read_only_root_no_capability_and_writes_to_its_volume(name: str):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges"]
    assert service["tmpfs"] == ["/tmp"]
    held = {one.split(":")[1] for one in service.get("volumes", []) if not one.startswith("./")}
    assert held == set(instructions(name, "VOLUME"))
    for one in service.get("volumes", []):
        if one.startswith("./"):
            assert (FOLDER / one.split(":")[0]).is_file()
    assert set(service["networks"]) <= set(COMPOSE["networks"])


def test_the_set_opens_one_port_of_this_machine_and_the_ledger_is_seen_by_the_node_alone():
    ports = {name: one["ports"] for name, one in SERVICES.items() if "ports" in one}
    assert ports == {"viewer": ["127.0.0.1:8080:8080"]}
    assert {name for name, one in SERVICES.items() if "ledger" in one["networks"]} == {"node", "postgres"}
    assert COMPOSE["networks"]["ledger"] == {"internal": True}


@pytest.mark.parametrize("name", ["container/build.sh", "container/postgres.sh", "install.sh", "release.sh"])
def test_scripts_are_shell(name: str):
    assert subprocess.run(["sh", "-n", REPOSITORY / "config" / name], check=False).returncode == 0
