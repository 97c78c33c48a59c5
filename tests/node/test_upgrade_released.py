"""Today reads what the code of 0.1.0 wrote: configuration, ledger, accounts, and an image not yet analysed.

`python -m tests.torture --only upgrade` runs all roles of both versions over it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ra_node.network.scu.c_store import echo
from ra_node.settings.node import load_settings
from ra_node.web.passwords import Passwords
from tests.conftest import wait_until
from tests.node.harness import Node
from tests.torture.machine.packages import FIRST_VERSION, first_version
from tests.torture.released import PASSWORD, ReleasedNode, jobs, stored


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of 0.1.0, or a skip with the reason."""
    found = first_version(tmp_path_factory.mktemp("released") / "first")
    if found is None:
        pytest.skip(f"commit {FIRST_VERSION[:7]} is not in this history (a shallow or exported checkout)")
    return found


def test_what_0_1_0_wrote_is_read_by_this_version(sources: Path, tmp_path: Path):
    """The listener of 0.1.0 is killed after a C-STORE; the job of the image outlives the migration."""
    node = Node(tmp_path / "node", [("pacs", "PACS", 1)], forked=True)
    node.write_config()
    released = ReleasedNode(sources, node)
    released.cli("web-password", "ann", said=PASSWORD + "\n")
    with released.killed_after("listen"):
        wait_until(lambda: echo(node.address).alive, "0.1.0 to answer C-ECHO")
        study = stored(node, tmp_path, 312)
    assert jobs(node, "examine") == 1
    assert study in node.cli("studies", "--json")
    assert jobs(node, "examine") == 1
    assert load_settings(node.config).node.port == node.port
    assert Passwords(node.folder / "state" / "web-passwords").verify("ann", PASSWORD)
