"""The ledger: state of the node that survives a crash."""
