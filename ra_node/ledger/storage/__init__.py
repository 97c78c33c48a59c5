"""Files that the ledger names: durable writes, checksums, identity."""
