"""A Debian machine with a running systemd, on which the guide's commands are run."""
