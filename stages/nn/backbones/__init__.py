"""Backbones, one file a provider: a new file here with a `PROVIDER` is found without being listed anywhere."""
