"""Files that the ledger names: written durably, checked, bound to it by an identity."""
