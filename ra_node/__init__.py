"""ra-node: reads hand radiographs for rheumatoid arthritis beside a hospital's PACS."""

__version__ = "0.1.0"
