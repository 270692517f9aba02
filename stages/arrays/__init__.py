"""Exact arithmetic on feature matrices, with the same results on every array library."""
