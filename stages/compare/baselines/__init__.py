"""Published methods to compare with that are loops of their own."""
