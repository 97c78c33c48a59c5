"""The only place that builds things: from the settings to the objects that do the work.

One module a part. Imports stand inside the functions, so that a role loads only what it needs: `listen`
is ready in about a second because it never sees PyTorch.
"""
