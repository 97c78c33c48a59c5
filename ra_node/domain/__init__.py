"""What the node knows, without any library that reads, stores, sends or learns."""
