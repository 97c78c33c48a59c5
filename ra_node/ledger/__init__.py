"""What the node must remember across a crash."""
