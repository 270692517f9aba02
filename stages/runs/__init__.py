"""A run on disk: where its artifacts lie, what was made from what, and how one is made."""
