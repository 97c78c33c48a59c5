"""What the exit code of every command means, so that scripts and services can rely on it."""

from __future__ import annotations

import sqlite3
import traceback
from enum import IntEnum
from pathlib import Path

from ra_node.errors import Fatal, MachineFault, NodeError, NotReady, Retryable
from ra_node.filesystem.os_errors import node_error

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
    if isinstance(error, Retryable | NotReady):
        return Exit.NOT_NOW
    return Exit.CONFIGURATION if isinstance(error, Fatal) else Exit.FAILED


def as_node_error(error: Exception) -> NodeError:
    """One sentence for any exception that ends a command, without a traceback.

    The message of an exception of a library is not quoted: it may hold values of a data set.
    """
    if isinstance(error, NodeError):
        return error
    if isinstance(error, OSError):
        return node_error(error, "the operating system refuses")
    if isinstance(error, sqlite3.Error):
        return MachineFault(f"expected a working SQLite file, found: {error}")
    if isinstance(error, ImportError):
        return Fatal(f"expected the Python package {error.name}, found none: install the node's lock again")
    frames = reversed(traceback.extract_tb(error.__traceback__))
    where = " < ".join(f"{Path(one.filename).name}:{one.lineno}" for one in frames)
    return NodeError(f"fault of this program, please report it: {type(error).__name__} at {where}")
