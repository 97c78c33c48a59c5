"""The exceptions of the node, split by what the caller does about them.

    NodeError
    ├── Refused      the input cannot be used: answer with the reason, do not try again
    ├── Retryable    the world is not ready: try again later
    └── Fatal        the installation is wrong: stop and tell the operator

Every message holds what was expected and what was found.
"""


class NodeError(Exception):
    """Any error that the node raises on purpose."""


class Refused(NodeError):
    """The input cannot be used; its reason becomes the answer."""


class Retryable(NodeError):
    """Something outside is not ready; the same call may succeed later."""


class Fatal(NodeError):
    """The installation or configuration is wrong; nobody but an operator can mend it."""
