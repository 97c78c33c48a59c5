"""Which hand is which: evidence of the header, and what the joints say."""
