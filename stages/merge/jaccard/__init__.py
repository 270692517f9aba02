"""Merging under the k-reciprocal Jaccard distance."""
