"""The view of a hand: by its header, by its pixels, and which of them are not rated."""
