"""Objects to peers, storage commitment."""
