"""The thirteen joints of a hand named everywhere: thumb IP and MCP, PIP and MCP 2 to 5, the wrist."""

from __future__ import annotations

JOINTS = (
    "ip_1", "pip_2", "pip_3", "pip_4", "pip_5",
    "mcp_1", "mcp_2", "mcp_3", "mcp_4", "mcp_5",
    "wrist_1", "wrist_2", "wrist_3",
)  # fmt: skip
"""`wrist_1` is radial, `wrist_3` ulnar, `wrist_2` between them."""
