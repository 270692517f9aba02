"""Features of every sample under a model."""
