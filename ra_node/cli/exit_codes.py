"""What the exit code of every command means, so that scripts and services can rely on it."""

from __future__ import annotations

from enum import IntEnum

from ra_node.errors import Fatal, NodeError, Retryable

SIGNALLED = 128
"""Plus the number of the signal that ended the command."""


class Exit(IntEnum):
    """The exit codes; 2 is that of the library that reads the command line."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    CONFIGURATION = 3
    NOT_NOW = 4

    @property
    def words(self) -> str:
        """The meaning of the code, for the help."""
        return _WORDS[self]


_WORDS = {
    Exit.DONE: "done",
    Exit.FAILED: "something failed or was not found",
    Exit.USAGE: "the command line is wrong",
    Exit.CONFIGURATION: "the configuration or the installation is wrong",
    Exit.NOT_NOW: "ledger, disk or archive is not ready: try again later",
}


def exit_of(error: NodeError) -> Exit:
    """The exit code of an error that ends a command."""
    if isinstance(error, Fatal):
        return Exit.CONFIGURATION
    return Exit.NOT_NOW if isinstance(error, Retryable) else Exit.FAILED
