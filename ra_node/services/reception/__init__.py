"""C-STORE to settled study."""
