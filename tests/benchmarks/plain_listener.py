"""The node's listener with pynetdicom's own code on the hot path, to measure what its three patches save.

The threads of the library poll, its decoder reads each P-DATA, its encoder writes each C-STORE response. All
else is of the node: TCP_NODELAY, TCP_QUICKACK, largest PDU, SHA-256, fsync, the row committed before Success.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ra_node.network.scp import server
from ra_node.runtime.roles.listen import listen
from ra_node.settings.node import load_settings


def main() -> None:
    server.awaken = lambda _association, _timeout_s: None  # event_wait, which also starts pdata_reader
    server.shorten = lambda _association: None  # c_store_rsp
    listen(load_settings(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
