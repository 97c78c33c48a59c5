"""Search for studies: search terms, and the filter of the list."""
