"""One batch shared by several processes."""
