"""Samples and images: tables of what there is, readers of published layouts, decoding, and drawn people."""
