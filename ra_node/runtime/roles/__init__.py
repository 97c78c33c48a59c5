"""The roles of a node, a process each: build what the role needs, work until told to stop."""
