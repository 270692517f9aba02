"""What a run found, in files that other programs read: clusters, features and the network."""
