"""One hand cut from its image: 16-bit words, blanked text, digests, geometry."""
