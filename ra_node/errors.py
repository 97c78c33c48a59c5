"""The exceptions of the node, split by what the caller does about them.

    NodeError
    ├── Refused      the input cannot be used: answer with the reason, do not try again
    ├── Retryable    the world is not ready: try again later
    │   └── MachineFault    this machine is at fault, not the input: no attempt counts
    └── Fatal        the installation is wrong: stop and tell the operator

Every message holds what was expected and what was found.
"""


class NodeError(Exception):
    """Any error that the node raises on purpose."""


class Refused(NodeError):
    """The input cannot be used; its reason becomes the answer."""


class Retryable(NodeError):
    """Something outside is not ready; the same call may succeed later."""


class MachineFault(Retryable):
    """This machine is at fault and not the input: a library, a disk, memory or the GPU does not work."""


class Fatal(NodeError):
    """The installation or configuration is wrong; nobody but an operator can mend it."""
