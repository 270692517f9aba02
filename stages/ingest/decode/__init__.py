"""Image files decoded by worker processes."""
