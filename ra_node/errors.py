"""The exceptions of the node, split by what the caller does about them.

    NodeError
    ├── Refused      the input cannot be used: report the reason, do not retry
    ├── Retryable    something outside is not ready: retry later
    │   └── MachineFault    this machine is at fault, not the input: the attempt does not count
    └── Fatal        the installation is wrong: stop and tell the operator
        └── NotReady    this start fails, a later one may succeed: exit code 4, and systemd starts it again

Every message holds what was expected and what was found.
"""


class NodeError(Exception):
    """Base class of all errors that the node raises."""


class Refused(NodeError):
    """The input cannot be used; the reason goes into the report."""


class Retryable(NodeError):
    """Something outside is not ready; the same call may succeed later."""


class MachineFault(Retryable):
    """This machine is at fault, not the input: a library, disk, memory or GPU does not work."""


class Fatal(NodeError):
    """The installation or configuration is wrong; an operator must fix it."""


class NotReady(Fatal):
    """This process cannot start or go on, but a later start may: a port is held, a folder is not mounted."""
