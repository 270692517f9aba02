"""Train the embedding against the clusters of a stage."""
