"""Backbones, one file a provider; a new file with a `PROVIDER` registers itself."""
