"""Composition root: builds every object from the settings.

One module per role or command group. Imports are inside the functions, so that a role loads only what it
needs: `listen` starts in about a second because it does not import PyTorch.
"""
