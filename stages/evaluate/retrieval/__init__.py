"""Query images against a gallery: ranks, CMC, average precision."""
